import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from klaster_shared.consuming.office import EditingOff, NotHead, Parked, ParkedRecord, Reception, TakenIn, Touched, Wanted
from klaster_shared.consuming.parking import RawRecord, State
from klaster_shared.consuming.positions import Partition, Position
from klaster_shared.contracts.partners import ContactAdded
from klaster_shared.contracts.redacting import HIDDEN
from klaster_shared.contracts.registry import enclose
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
        self.asked = Wanted()

    async def listing(self, wanted: Wanted, *, after: int, limit: int) -> Sequence[Parked]:
        self.asked = wanted
        return [parked for number, parked in self.parked.items() if number > after][:limit]

    async def show(self, parked_id: int) -> Parked:
        if parked_id not in self.parked:
            raise NotFound("parked message", parked_id)
        return self.parked[parked_id]

    async def retry(self, parked_id: int, *, actor: str, reason: str | None) -> Parked:
        if parked_id != 1:
            raise NotHead(parked_id, 1)
        self.acts.append(("retry", parked_id, actor, reason))
        return replace(self.parked[1], state=State.DUE)

    async def skip(self, parked_id: int, *, actor: str, reason: str) -> Parked:
        self.acts.append(("skip", parked_id, actor, reason))
        return self.parked[parked_id]

    async def edit(self, parked_id: int, value: bytes, *, actor: str, reason: str) -> Parked:
        if parked_id != 1:
            raise EditingOff
        self.acts.append(("edit", parked_id, value, actor, reason))
        return self.parked[parked_id]

    async def retry_all(self, wanted: Wanted, *, actor: str, reason: str | None, dry_run: bool, after: int, limit: int) -> Touched:
        self.acts.append(("retry all", str(wanted), actor, reason, dry_run, after, limit))
        return Touched([1], 2, None)

    async def skip_all(self, wanted: Wanted, *, actor: str, reason: str, dry_run: bool, after: int, limit: int) -> Touched:
        self.acts.append(("skip all", str(wanted), actor, reason, dry_run, after, limit))
        return Touched([1], 0, 1)

    async def export(self, wanted: Wanted, *, actor: str) -> AsyncIterator[Parked]:
        self.acts.append(("export", str(wanted), actor))
        for parked in self.parked.values():
            yield parked

    async def take_in(self, lines: Iterable[ParkedRecord], *, actor: str, reason: str, dry_run: bool) -> TakenIn:
        self.acts.append(("import", *lines, actor, reason, dry_run))
        return {Reception.PARKED: 1, Reception.ALREADY_APPLIED: 2}

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


async def test_a_list_is_filtered_by_everything_that_a_message_is_known_by(client: httpx.AsyncClient, office: Office) -> None:
    asked = {
        "consumer": "budget.events",
        "topic": "klaster.events.event.v1",
        "key": "e1",
        "type": "EventApproved",
        "reason": "line-exceeded",
        "state": "held",
        "since": "2026-11-23T13:00:00+01:00",
        "until": "2026-11-23T13:00:00Z",
    }
    assert (await client.get("/admin/parked", params=asked)).status_code == 200
    until = NOON.replace(hour=13)
    assert office.asked == Wanted(**(asked | {"key": b"e1", "state": State.HELD, "since": NOON, "until": until}))  # type: ignore[arg-type]  # as above


async def test_a_list_is_read_in_pages(client: httpx.AsyncClient) -> None:
    first = (await client.get("/admin/parked?limit=2")).json()
    second = (await client.get(f"/admin/parked?limit=2&cursor={first['next']}")).json()
    assert ([item["id"] for item in first["items"]], [item["id"] for item in second["items"]], second["next"]) == ([1, 2], [3], None)


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "limit=201", "cursor=x", "cursor=9223372036854775808", "since=yesterday", "kei=e1"])
async def test_a_filter_that_cannot_be_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/admin/parked?{query}")).status_code == 422


async def test_a_key_that_is_no_text_is_still_shown(client: httpx.AsyncClient) -> None:
    assert (await client.get("/admin/parked/2")).json()["key"] == "\\xff"
    assert (await client.get("/admin/parked/3")).json()["key"] is None


async def test_a_single_message_hides_its_payload_until_asked(client: httpx.AsyncClient) -> None:
    answer = await client.get("/admin/parked/1")
    assert "Anna" not in answer.text
    assert (answer.json()["body"], answer.json()["value_bytes"]) == (None, 16)


async def test_of_a_message_that_a_contract_describes_only_what_is_personal_is_hidden(client: httpx.AsyncClient, office: Office) -> None:
    contact = ContactAdded(contact_id=UUID(int=1), organisation_id=UUID(int=2), name="Anna", email="anna@example.org", locale="pl", roles=("head",))
    envelope = enclose(contact, id=UUID(int=9), time=NOON, recorded_time=NOON, sequence=1)
    office.parked[1] = replace(PARKED, headers=list(envelope.headers()), value=envelope.data)
    shown = (await client.get("/admin/parked/1")).json()["body"]
    in_full = (await client.get("/admin/parked/1?payload=true")).json()["body"]
    assert (shown["name"], shown["email"], shown["locale"], shown["roles"]) == (HIDDEN, HIDDEN, "pl", ["head"])
    assert in_full["name"] == "Anna"


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
    assert (answer.json()["state"], office.acts) == ("due", [("retry", 1, "operator", None)])


async def test_what_is_not_the_head_is_refused_with_the_head(client: httpx.AsyncClient) -> None:
    answer = await client.post("/admin/parked/2/retry")
    assert (answer.status_code, answer.json()["type"], answer.json()["head"]) == (409, "/problems/not-head", 1)


async def test_skipping_needs_a_reason(client: httpx.AsyncClient, office: Office) -> None:
    refused = await client.post("/admin/parked/1/skip", json={"reason": " "})
    done = await client.post("/admin/parked/1/skip", json={"reason": "booked by hand"})
    assert (refused.status_code, done.status_code) == (422, 200)
    assert office.acts == [("skip", 1, "local", "booked by hand")]


async def test_an_edit_is_given_as_the_text_of_the_new_value(client: httpx.AsyncClient, office: Office) -> None:
    body = {"value": '{"name": "Zoë"}', "reason": "misspelt"}
    assert (await client.post("/admin/parked/1/edit", json=body)).status_code == 200
    assert office.acts == [("edit", 1, '{"name": "Zoë"}'.encode(), "local", "misspelt")]


async def test_an_edit_is_forbidden_where_it_is_not_switched_on(client: httpx.AsyncClient) -> None:
    answer = await client.post("/admin/parked/2/edit", json={"value": "{}", "reason": "x"})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/editing-off")


async def test_a_bulk_act_says_what_it_has_touched(client: httpx.AsyncClient, office: Office) -> None:
    retried = await client.post("/admin/parked/retry", json={"wanted": {"reason": "rate-missing"}, "dry_run": True})
    skipped = await client.post("/admin/parked/skip", json={"wanted": {"key": "e1"}, "reason": "agreed", "cursor": 7, "limit": 1})
    assert retried.json() == {"dry_run": True, "touched": [1], "waiting": 2, "next": None}
    assert skipped.json() == {"dry_run": False, "touched": [1], "waiting": 0, "next": 1}
    assert office.acts == [("retry all", "reason rate-missing", "local", None, True, 0, 100), ("skip all", "key e1", "local", "agreed", False, 7, 1)]


@pytest.mark.parametrize("body", [{"wanted": {}}, {"wanted": {}, "reason": " "}, {"reason": "x"}, {"wanted": {"kei": "e1"}, "reason": "x"}])
async def test_skipping_many_needs_a_reason_and_a_filter_that_is_understood(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await client.post("/admin/parked/skip", json=body)).status_code == 422


async def test_an_export_has_to_be_asked_for_as_what_it_is(client: httpx.AsyncClient, office: Office) -> None:
    answer = await client.get("/admin/parked/export")
    assert (answer.status_code, answer.json()["errors"][0]["field"], office.acts) == (422, "payload", [])


async def test_what_is_exported_can_be_imported_byte_for_byte(client: httpx.AsyncClient, office: Office) -> None:
    exported = await client.get("/admin/parked/export?payload=true&consumer=budget.events")
    lines = [json.loads(line) for line in exported.text.splitlines()]
    taken = await client.post("/admin/parked/import", json={"lines": lines[1:2], "reason": "skipped by mistake"})
    assert exported.headers["Content-Type"].startswith("application/x-ndjson")
    assert taken.json() == {"dry_run": False, "parked": 1, "already_parked": 0, "already_applied": 2}
    assert [(line["id"], line["key"]) for line in lines] == [(1, "e1"), (2, "\\xff"), (3, None)]
    record = RawRecord(partition=Partition(PARKED.topic, 2), offset=77, logged_at=NOON, key=b"\xff", headers=list(PARKED.headers), value=PARKED.value)
    line = ParkedRecord(consumer="budget.events", record=record, reason="line-exceeded", error="line-exceeded", state=State.HELD)
    assert office.acts == [("export", "consumer budget.events", "local"), ("import", line, "local", "skipped by mistake", False)]


@pytest.mark.parametrize("path", ["/admin/parked/1/skip", "/admin/parked/retry", "/admin/positions/reset", "/admin/outbox/1/requeue"])
async def test_a_body_that_does_not_call_itself_json_is_refused_as_on_every_route(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=b'{"reason": "x"}', headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"7"])
async def test_a_body_that_is_no_object_is_told_so_in_words_of_http(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/admin/parked/1/skip", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"field": "body", "message": "a JSON object is expected"}])


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
