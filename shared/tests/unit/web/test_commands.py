from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, Depends, Response
from starlette.responses import JSONResponse

from klaster_shared.errors import Refused, StaleVersion
from klaster_shared.web.commands import CommandRoute, unit_of_work
from klaster_shared.web.etags import IfMatch, RequiredIfMatch, created, tag_response
from klaster_shared.web.fields import Body, Line
from klaster_shared.web.testing import FakeTransactions

type Connect = Callable[..., httpx.AsyncClient]
type Work = Annotated[Any, Depends(unit_of_work)]

THING = f"/v1/things/{UUID(int=1)}"


class ThingIn(Body):
    name: Line


class Things:
    """Routes whose next runs can be made to fail."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.runs = 0
        self.seen: list[Any] = []
        self.router = APIRouter(prefix="/v1", route_class=CommandRoute)
        self.router.post("/things", status_code=201)(self.make)
        self.router.post("/things/{id}/open")(self.open)
        self.router.patch("/things/{id}")(self.change)
        self.router.post("/things/{id}/odd")(self.odd)
        self.router.get("/things/{id}")(self.show)

    def _run(self, work: Any) -> None:
        self.runs += 1
        self.seen.append(work)
        if self.failures:
            raise self.failures.pop(0)

    async def make(self, body: ThingIn, work: Work, response: Response) -> dict[str, str]:
        self._run(work)
        created(response, THING, 1)
        return {"name": body.name}

    async def open(self, id: UUID, work: Work, if_match: IfMatch, response: Response) -> dict[str, int | None]:  # noqa: A002, ARG002 - the path's own word
        self._run(work)
        tag_response(response, 4)
        return {"expected": if_match}

    async def change(self, id: UUID, work: Work, if_match: RequiredIfMatch) -> dict[str, int | None]:  # noqa: A002, ARG002 - the path's own word
        self._run(work)
        return {"expected": if_match}

    async def odd(self, id: UUID) -> Response:  # noqa: A002, ARG002 - the path's own word
        return JSONResponse({"answer": "returned, not raised"}, 409)

    async def show(self, id: UUID) -> dict[str, str]:  # noqa: A002 - the path's own word
        return {"id": str(id)}


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
def client(connect: Connect, things: Things) -> httpx.AsyncClient:
    return connect(things.router)


async def test_a_command_is_committed_and_then_answered(client: httpx.AsyncClient, transactions: FakeTransactions) -> None:
    answer = await client.post("/v1/things", json={"name": " x "})
    assert (answer.status_code, answer.json()) == (201, {"name": "x"})
    assert (answer.headers["Location"], answer.headers["ETag"]) == (THING, '"1"')
    assert (transactions.committed, transactions.rolled_back) == (1, 0)


async def test_the_unit_of_work_knows_actor_and_flow(client: httpx.AsyncClient, transactions: FakeTransactions, things: Things) -> None:
    answer = await client.post("/v1/things", json={"name": "x"}, headers={"X-Klaster-Actor": "office", "X-Correlation-Id": "flow-1"})
    (origin,) = transactions.origins
    assert (origin.actor, origin.correlation_id, things.seen[0].actor) == ("office", "flow-1", "office")
    assert answer.headers["X-Correlation-Id"] == "flow-1"


async def test_a_refusal_rolls_back(client: httpx.AsyncClient, transactions: FakeTransactions, things: Things) -> None:
    things.failures = [Refused("No.")]
    answer = await client.post("/v1/things", json={"name": "x"})
    assert (answer.status_code, things.runs) == (409, 1)
    assert (transactions.committed, transactions.rolled_back) == (0, 1)


async def test_a_refusal_that_a_route_returns_rolls_back_too(client: httpx.AsyncClient, transactions: FakeTransactions) -> None:
    answer = await client.post(f"{THING}/odd")
    assert (answer.status_code, answer.json()) == (409, {"answer": "returned, not raised"})
    assert (transactions.committed, transactions.rolled_back) == (0, 1)


@pytest.mark.parametrize(
    "race", [StaleVersion("thing", 1), asyncpg.DeadlockDetectedError("x"), asyncpg.SerializationError("x"), asyncpg.UniqueViolationError("x")]
)
async def test_a_lost_race_is_run_again_from_the_start(
    client: httpx.AsyncClient, transactions: FakeTransactions, things: Things, race: Exception
) -> None:
    things.failures = [race, race]
    answer = await client.post("/v1/things", json={"name": "x"})
    assert (answer.status_code, things.runs) == (201, 3)
    assert (transactions.committed, transactions.rolled_back) == (1, 2)


@pytest.mark.parametrize(
    ("race", "status", "slug"),
    [
        (StaleVersion("thing", 1), 503, "busy"),
        (asyncpg.DeadlockDetectedError("x"), 503, "busy"),
        (asyncpg.UniqueViolationError("x"), 409, "duplicate"),
    ],
)
async def test_after_three_lost_races_the_caller_is_told(client: httpx.AsyncClient, things: Things, race: Exception, status: int, slug: str) -> None:
    things.failures = [race] * 4
    answer = await client.post("/v1/things", json={"name": "x"})
    assert (answer.status_code, answer.json()["type"], things.runs) == (status, f"/problems/{slug}", 3)
    assert ("Retry-After" in answer.headers) == (status == 503)


async def test_a_race_lost_at_the_commit_is_run_again(client: httpx.AsyncClient, transactions: FakeTransactions, things: Things) -> None:
    transactions.endings = [asyncpg.SerializationError("x")]
    assert (await client.post("/v1/things", json={"name": "x"})).status_code == 201
    assert things.runs == 2


async def test_who_named_the_version_is_told_that_it_is_stale(client: httpx.AsyncClient, things: Things) -> None:
    things.failures = [StaleVersion("thing", 1)]
    answer = await client.post(f"{THING}/open", headers={"If-Match": '"3"'})
    assert (answer.status_code, answer.json()["type"], things.runs) == (412, "/problems/stale-version", 1)


async def test_a_star_asks_for_no_version_and_is_run_again(client: httpx.AsyncClient, things: Things) -> None:
    things.failures = [StaleVersion("thing", 1)]
    answer = await client.patch(THING, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json(), things.runs) == (200, {"expected": None}, 2)


async def test_a_change_without_if_match_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.patch(THING)
    assert (answer.status_code, answer.json()["type"]) == (428, "/problems/if-match-required")


async def test_a_transition_takes_the_version_it_is_given(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{THING}/open", headers={"If-Match": '"3"'})
    assert (answer.json(), answer.headers["ETag"]) == ({"expected": 3}, '"4"')


@pytest.mark.parametrize("trouble", [ConnectionResetError("x"), asyncpg.ConnectionDoesNotExistError("x"), asyncpg.AdminShutdownError("x")])
async def test_a_lost_connection_is_not_run_again_because_it_may_have_committed(
    client: httpx.AsyncClient, transactions: FakeTransactions, things: Things, trouble: Exception
) -> None:
    transactions.endings = [trouble]
    answer = await client.post("/v1/things", json={"name": "x"})
    assert (answer.status_code, answer.headers["Retry-After"], things.runs) == (503, "1", 1)


async def test_a_validation_error_is_not_a_defect_and_leaves_nothing(client: httpx.AsyncClient, transactions: FakeTransactions) -> None:
    answer = await client.post("/v1/things", json={"name": "a\0b"})
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"field": "name", "message": "control characters are not allowed"}])
    assert transactions.committed == 0


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"name": "\xff"}', b"[" * 100_000, b'{"name": ' + b"9" * 5000 + b"}"])
async def test_what_is_no_json_is_a_400(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/things", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-body")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
async def test_a_body_that_does_not_say_it_is_json_is_refused(client: httpx.AsyncClient, transactions: FakeTransactions, kind: str) -> None:
    answer = await client.post("/v1/things", content=b'{"name": "x"}', headers={"Content-Type": kind})
    assert (answer.status_code, transactions.origins) == (415, [])


async def test_json_may_say_its_charset(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/things", content=b'{"name": "x"}', headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 201


async def test_an_actor_that_does_not_print_is_refused_by_header(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/things", json={"name": "x"}, headers={"X-Klaster-Actor": "x" * 201})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "X-Klaster-Actor")


async def test_a_read_opens_no_transaction(client: httpx.AsyncClient, transactions: FakeTransactions) -> None:
    assert (await client.get(THING)).status_code == 200
    assert transactions.origins == []


async def test_the_document_names_the_headers_of_commands(connect: Connect, things: Things) -> None:
    document = (await connect(things.router).get("/openapi.json")).json()
    change = document["paths"]["/v1/things/{id}"]["patch"]
    assert {parameter["name"].lower() for parameter in change["parameters"]} >= {"idempotency-key", "x-klaster-actor", "x-correlation-id", "if-match"}
    assert set(change["responses"]) >= {"200", "409", "412", "422", "428", "503"}
    assert "parameters" not in document["paths"]["/v1/things/{id}"]["get"] or len(document["paths"]["/v1/things/{id}"]["get"]["parameters"]) == 1


async def test_errors_are_documented_as_problems_and_nothing_else(connect: Connect, things: Things) -> None:
    document = (await connect(things.router).get("/openapi.json")).json()
    assert document["components"]["schemas"].keys() >= {"Problem", "ThingIn"}
    assert "HTTPValidationError" not in document["components"]["schemas"]
