"""What the loader does when a service is away, busy, or refuses. Time is the loop's own: pauses are short because patience is."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from klaster_local.failures import CommandFailed
from klaster_local.seeding import doors
from klaster_local.seeding.doors import Door, Refused

CREATED = httpx.Response(201, json={"id": "1"}, headers={"ETag": '"1"'})
PROBLEM = "/problems/"


def a_door(answer: Callable[[httpx.Request], httpx.Response]) -> Door:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://events")
    return Door("events", client, asyncio.Semaphore(8))


class Script:
    """Answers in order; an exception is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_lost_answer_is_asked_for_again_with_the_same_key() -> None:
    script = Script(httpx.ReadError("gone"), httpx.ConnectError("down"), CREATED)
    made = await a_door(script).post("/v1/events", {"a": 1})
    assert (made.id, made.version) == ("1", '"1"')
    assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1


async def test_a_key_in_progress_and_a_service_that_is_not_ready_are_waited_for() -> None:
    busy = httpx.Response(409, json={"type": f"{PROBLEM}idempotency-key-in-progress"})
    script = Script(busy, httpx.Response(503, json={}), CREATED)
    await a_door(script).post("/v1/events", {"a": 1})
    assert len(script.requests) == 3


async def test_a_refusal_is_not_repeated() -> None:
    script = Script(httpx.Response(409, json={"type": f"{PROBLEM}code-taken", "title": "Code taken"}))
    with pytest.raises(Refused, match="events refused POST /v1/networks: 409 Code taken") as refusal:
        await a_door(script).post("/v1/networks", {"code": "GIN"})
    assert refusal.value.slug == "code-taken"


async def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "PATIENCE_SECONDS", 0.05)

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("down")

    with pytest.raises(CommandFailed, match=r"events could not be used for 0\.05 s: no answer \(ConnectError\)"):
        await a_door(away).get("/v1/events")


async def test_the_key_follows_from_path_version_and_body() -> None:
    script = Script(*[CREATED] * 5)
    door = a_door(script)
    await door.post("/v1/events", {"a": 1, "b": 2})
    await door.post("/v1/events", {"b": 2, "a": 1})
    await door.post("/v1/events", {"a": 1, "b": 3})
    await door.post("/v1/events/1/submit", version='"1"')
    await door.post("/v1/events/1/submit", version='"4"')
    keys = [request.headers["Idempotency-Key"] for request in script.requests]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert [request.headers.get("If-Match") for request in script.requests] == [None, None, None, '"1"', '"4"']


async def test_all_pages_of_a_list_are_read() -> None:
    script = Script(httpx.Response(200, json={"items": [{"id": 1}], "next": "c"}), httpx.Response(200, json={"items": [{"id": 2}], "next": None}))
    assert await a_door(script).items("/v1/rates", grant_id="g") == [{"id": 1}, {"id": 2}]
    assert [dict(request.url.params) for request in script.requests] == [
        {"grant_id": "g", "limit": "200"},
        {"grant_id": "g", "limit": "200", "cursor": "c"},
    ]
