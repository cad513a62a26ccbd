import asyncio
from collections.abc import Callable

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from klaster_shared.lifecycle import RETRY_SECONDS, Role
from klaster_shared.web.draining import Doors
from klaster_shared.web.testing import client_of

type MakeApp = Callable[..., FastAPI]


class Desk:
    """A route that waits to be told, and the doors of its application."""

    def __init__(self, make_app: MakeApp) -> None:
        router = APIRouter(prefix="/v1")
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

        @router.post("/things")
        async def make() -> dict[str, str]:
            self.asked.set()
            await self.go_on.wait()
            return {"made": "it"}

        app = make_app(router)
        self.doors: Doors = next(layer.kwargs["doors"] for layer in app.user_middleware if "doors" in layer.kwargs)  # type: ignore[assignment]  # as it was given
        self.client = client_of(app)

    async def a_request_in_hand(self) -> "asyncio.Task[httpx.Response]":
        request = asyncio.create_task(self.client.post("/v1/things"))
        await self.asked.wait()
        return request


@pytest.fixture
def desk(make_app: MakeApp) -> Desk:
    return Desk(make_app)


async def test_a_request_that_comes_after_the_door_has_closed_is_told_to_come_again(desk: Desk) -> None:
    desk.doors.close()
    answer = await desk.client.post("/v1/things")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/stopping")
    assert (answer.headers["Retry-After"], answer.headers["Connection"]) == (str(RETRY_SECONDS), "close")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not desk.asked.is_set()


async def test_a_request_in_hand_is_finished_and_its_connection_ends_with_it(desk: Desk) -> None:
    request = await desk.a_request_in_hand()
    desk.doors.close()
    emptied = asyncio.create_task(desk.doors.emptied(within=30))
    desk.go_on.set()
    answer = await request
    await emptied
    assert (answer.status_code, answer.headers["Connection"]) == (200, "close")


async def test_before_the_door_closes_connections_are_kept(desk: Desk) -> None:
    desk.go_on.set()
    assert "Connection" not in (await desk.client.post("/v1/things")).headers


async def test_a_request_that_outlasts_the_bound_is_cut_off_and_answered_so(desk: Desk) -> None:
    request = await desk.a_request_in_hand()
    desk.doors.close()
    await desk.doors.emptied(within=0.01)
    answer = await request
    assert (answer.status_code, answer.json()["type"], answer.headers["Connection"]) == (503, "/problems/cut-off", "close")


async def test_without_requests_there_is_nothing_to_wait_for(desk: Desk) -> None:
    desk.doors.close()
    await desk.doors.emptied(within=30)
    assert not desk.doors.is_cutting


async def test_operations_can_look_until_the_end(desk: Desk) -> None:
    desk.doors.close()
    livez, readyz, metrics = [await desk.client.get(path) for path in ("/livez", "/readyz", "/metrics")]
    assert (livez.status_code, metrics.status_code) == (200, 200)
    assert (readyz.status_code, readyz.json()["status"]) == (503, "stopping")


async def test_both_refusals_have_a_page(desk: Desk) -> None:
    pages = [await desk.client.get(f"/problems/{slug}") for slug in ("stopping", "cut-off")]
    assert [page.status_code for page in pages] == [200, 200]


async def test_a_process_without_the_api_answers_only_what_operations_ask(make_app: MakeApp) -> None:
    async with client_of(make_app(roles={Role.CONSUMERS})) as client:
        found = {
            path: (await client.get(path)).status_code for path in ("/livez", "/metrics", "/v1/things", "/admin/outbox", "/openapi.json", "/docs")
        }
    assert found == {"/livez": 200, "/metrics": 200, "/v1/things": 404, "/admin/outbox": 404, "/openapi.json": 404, "/docs": 404}
