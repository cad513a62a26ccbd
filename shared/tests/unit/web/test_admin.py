from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from klaster_shared.consuming.office import NotHead, Parked
from klaster_shared.consuming.parking import State
from klaster_shared.consuming.positions import Partition, Position
from klaster_shared.errors import NotFound
from klaster_shared.web.admin import admin_routes
from klaster_shared.web.middleware import Correlated
from klaster_shared.web.problems import add_problem_handlers
from klaster_shared.web.testing import client_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARKED = Parked(
    id=1,
    consumer="budget.events",
    topic="klaster.events.event.v1",
    partition=2,
    offset=77,
    key=b"e1",
    type="pl.lifescience.events.EventApproved.v1",
    message_id=UUID(int=9),
    reason="line-exceeded",
    error="line-exceeded",
    state=State.HELD,
    attempts=1,
    logged_at=NOON,
    parked_at=NOON,
    next_attempt_at=None,
    headers=[("ce_id", b"9"), ("trace", None)],
    value=b'{"name": "Anna"}',
)


class Office:
    """An office of three parked messages; the acts are written down."""

    def __init__(self) -> None:
        self.parked = {number: replace(PARKED, id=number, key=key) for number, key in ((1, b"e1"), (2, b"\xff"), (3, None))}
        self.acts: list[tuple[Any, ...]] = []
        self.asked: dict[str, Any] = {}

    async def listing(self, *, consumer: str | None, key: bytes | None, state: State | None, after: int, limit: int) -> Sequence[Parked]:
        self.asked = {"consumer": consumer, "key": key, "state": state}
        return [parked for number, parked in self.parked.items() if number > after][:limit]

    async def show(self, parked_id: int) -> Parked:
        if parked_id not in self.parked:
            raise NotFound("parked message", parked_id)
        return self.parked[parked_id]

    async def retry(self, parked_id: int, *, actor: str) -> Parked:
        if parked_id != 1:
            raise NotHead(parked_id, 1)
        self.acts.append(("retry", parked_id, actor))
        return replace(self.parked[1], state=State.DUE)

    async def skip(self, parked_id: int, *, actor: str, reason: str) -> Parked:
        self.acts.append(("skip", parked_id, actor, reason))
        return self.parked[parked_id]

    async def positions(self) -> Sequence[tuple[str, Position]]:
        return [("budget.events", Position(Partition("klaster.events.event.v1", 2), 78, "topic-id", NOON))]

    async def reset_position(self, consumer: str, partition: Partition, to: int, *, actor: str, reason: str) -> None:
        self.acts.append(("reset", consumer, partition, to, actor, reason))


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
async def client(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.add_middleware(Correlated)
    app.include_router(admin_routes(office, None))
    add_problem_handlers(app)
    async with client_of(app) as connected:
        yield connected


async def test_a_list_shows_no_payload(client: httpx.AsyncClient) -> None:
    answer = await client.get("/admin/parked")
    assert [item["id"] for item in answer.json()["items"]] == [1, 2, 3]
    assert "Anna" not in answer.text
    assert "value_base64" not in answer.text


async def test_a_list_is_filtered_by_consumer_key_and_state(client: httpx.AsyncClient, office: Office) -> None:
    await client.get("/admin/parked", params={"consumer": "budget.events", "key": "e1", "state": "held"})
    assert office.asked == {"consumer": "budget.events", "key": b"e1", "state": State.HELD}


async def test_a_list_is_read_in_pages(client: httpx.AsyncClient) -> None:
    first = (await client.get("/admin/parked?limit=2")).json()
    second = (await client.get(f"/admin/parked?limit=2&cursor={first['next']}")).json()
    assert ([item["id"] for item in first["items"]], [item["id"] for item in second["items"]], second["next"]) == ([1, 2], [3], None)


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "limit=201", "cursor=x", "cursor=9223372036854775808"])
async def test_a_filter_that_cannot_be_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/admin/parked?{query}")).status_code == 422


async def test_a_key_that_is_no_text_is_still_shown(client: httpx.AsyncClient) -> None:
    assert (await client.get("/admin/parked/2")).json()["key"] == "\\xff"
    assert (await client.get("/admin/parked/3")).json()["key"] is None


async def test_a_single_message_hides_its_payload_until_asked(client: httpx.AsyncClient) -> None:
    assert "Anna" not in (await client.get("/admin/parked/1")).text


async def test_the_payload_is_shown_as_text_and_bytes_when_asked_for(client: httpx.AsyncClient, office: Office) -> None:
    shown = (await client.get("/admin/parked/1?payload=true")).json()
    assert (shown["value_text"], shown["value_base64"]) == ('{"name": "Anna"}', "eyJuYW1lIjogIkFubmEifQ==")
    assert shown["headers"] == [["ce_id", "OQ=="], ["trace", None]]


async def test_bytes_that_are_no_text_are_shown_as_base64_only(client: httpx.AsyncClient, office: Office) -> None:
    office.parked[1] = replace(PARKED, value=b"\xff")
    shown = (await client.get("/admin/parked/1?payload=true")).json()
    assert (shown["value_text"], shown["value_base64"]) == (None, "/w==")


@pytest.mark.parametrize("parked_id", ["99", "9223372036854775807"])
async def test_an_unknown_message_is_not_found(client: httpx.AsyncClient, parked_id: str) -> None:
    assert (await client.get(f"/admin/parked/{parked_id}")).status_code == 404


async def test_the_head_is_retried_in_the_actors_name(client: httpx.AsyncClient, office: Office) -> None:
    answer = await client.post("/admin/parked/1/retry", headers={"X-Klaster-Actor": "operator"})
    assert (answer.json()["state"], office.acts) == ("due", [("retry", 1, "operator")])


async def test_what_is_not_the_head_is_refused_with_the_head(client: httpx.AsyncClient) -> None:
    answer = await client.post("/admin/parked/2/retry")
    assert (answer.status_code, answer.json()["type"], answer.json()["head"]) == (409, "/problems/not-head", 1)


async def test_skipping_needs_a_reason(client: httpx.AsyncClient, office: Office) -> None:
    refused = await client.post("/admin/parked/1/skip", json={"reason": " "})
    done = await client.post("/admin/parked/1/skip", json={"reason": "booked by hand"})
    assert (refused.status_code, done.status_code) == (422, 200)
    assert office.acts == [("skip", 1, "local", "booked by hand")]


async def test_positions_are_listed_and_reset(client: httpx.AsyncClient, office: Office) -> None:
    (position,) = (await client.get("/admin/positions")).json()
    assert (position["consumer"], position["partition"], position["next_offset"]) == ("budget.events", 2, 78)
    body = {"consumer": "budget.events", "topic": "klaster.events.event.v1", "partition": 2, "offset": 0, "reason": "topic made anew"}
    answer = await client.post("/admin/positions/reset", json=body)
    assert answer.status_code == 204
    assert office.acts == [("reset", "budget.events", Partition("klaster.events.event.v1", 2), 0, "local", "topic made anew")]


async def test_a_service_that_consumes_nothing_has_no_parking() -> None:
    app = FastAPI()
    app.include_router(admin_routes(None, None))
    async with client_of(app) as client:
        assert (await client.get("/admin/parked")).status_code == 404
