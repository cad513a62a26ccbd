from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from klaster_shared.observability.metrics import Metrics
from klaster_shared.web.commands import CommandRoute
from klaster_shared.web.middleware import BODY_LIMIT, LastResort

type Connect = Callable[..., httpx.AsyncClient]

router = APIRouter(prefix="/v1", route_class=CommandRoute)


@router.post("/echo")
async def echo(request: Request) -> dict[str, Any]:
    return {"bytes": len(await request.body()), **structlog.contextvars.get_contextvars()}


@router.get("/search")
async def search(q: str = "") -> dict[str, str]:
    return {"q": q}


@pytest.fixture
def client(connect: Connect) -> httpx.AsyncClient:
    return connect(router)


async def pieces(total: int, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for _ in range(total // size):
        yield b" " * size
    yield b" " * (total % size)


JSON = {"Content-Type": "application/json"}


async def test_a_body_of_exactly_the_limit_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/echo", content=pieces(BODY_LIMIT), headers=JSON)
    assert answer.json()["bytes"] == BODY_LIMIT


async def test_a_body_over_the_limit_is_refused_by_its_announced_length(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/echo", content=b" " * (BODY_LIMIT + 1), headers=JSON)
    assert (answer.status_code, answer.json()["limit"], answer.headers["Connection"]) == (413, BODY_LIMIT, "close")


async def test_a_body_that_grows_over_the_limit_is_refused_while_it_arrives(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/echo", content=pieces(10 * BODY_LIMIT), headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


@pytest.mark.parametrize("length", ["99999999999999999999999999", "1048577"])
async def test_an_announced_length_is_believed_before_anything_is_read(client: httpx.AsyncClient, length: str) -> None:
    answer = await client.post("/v1/echo", content=b"", headers={"Content-Length": length})
    assert answer.status_code == 413


async def test_a_nul_in_the_query_is_refused_by_parameter(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/search?limit=1&q=a%00b")
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"field": "q", "message": "a NUL character is not allowed"}])


async def test_the_correlation_id_comes_back_also_with_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/nothing", headers={"X-Correlation-Id": "flow-1"})
    assert (answer.status_code, answer.headers["X-Correlation-Id"]) == (404, "flow-1")


async def test_log_lines_of_a_request_carry_its_flow(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/echo", headers={"X-Correlation-Id": "flow-1"})
    assert answer.json()["correlation_id"] == "flow-1"


async def test_requests_are_counted_by_route_template(client: httpx.AsyncClient, metrics: Metrics) -> None:
    await client.get("/v1/search?q=1")
    await client.get("/problems/stale-version")
    await client.get("/problems/not-found")
    labels = {"method": "GET", "route": "/problems/{slug}", "status": "200"}
    assert metrics.registry.get_sample_value("klaster_http_requests_total", labels) == 2


async def test_callers_cannot_invent_label_values(client: httpx.AsyncClient, metrics: Metrics) -> None:
    await client.get("/v1/secret-path")
    await client.request("BREW", "/v1/search")
    samples = [sample for family in metrics.registry.collect() if family.name == "klaster_http_requests" for sample in family.samples]
    assert {sample.labels["route"] for sample in samples} == {"unmatched", "/v1/search"}
    assert {sample.labels["method"] for sample in samples} == {"GET", "other"}


async def test_a_client_that_went_away_is_no_failure() -> None:
    async def gone(scope: Any, receive: Any, send: Any) -> None:
        raise ClientDisconnect

    with capture_logs() as logs:
        await LastResort(gone)({"type": "http"}, _nothing, _nothing)
    assert [line["log_level"] for line in logs] == ["info"]


async def test_what_fails_after_the_answer_began_is_passed_on() -> None:
    async def late(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    with capture_logs(), pytest.raises(RuntimeError):
        await LastResort(late)({"type": "http", "method": "GET", "path": "/", "headers": []}, _nothing, _nothing)


async def _nothing(*_: Any) -> Any:
    return None
