from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from klaster_shared.observability.metrics import Metrics
from klaster_shared.web.health import health_routes
from klaster_shared.web.testing import client_of

type Connect = Callable[..., httpx.AsyncClient]


async def test_a_process_that_answers_is_alive_whatever_is_away(connect: Connect) -> None:
    assert (await connect().get("/livez")).json() == {"status": "alive"}


async def test_without_its_database_a_service_is_not_ready_and_says_why(connect: Connect) -> None:
    answer = await connect().get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "database-away")
    assert answer.json()["reason"]


async def test_metrics_are_prometheus_text(connect: Connect, metrics: Metrics) -> None:
    metrics.outbox_pending.set(3)
    answer = await connect().get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "klaster_outbox_pending 3.0" in answer.text
    assert 'klaster_build_info{service="partners",version="' in answer.text


class Part:
    """A component of which only the report is asked."""

    role = None

    def __init__(self, **report: Any) -> None:
        self._report = {"component": "part", "ok": True} | report

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def report(self) -> dict[str, Any]:
        return self._report


async def livez(*parts: Part) -> httpx.Response:
    app = FastAPI()
    app.include_router(health_routes(None, parts, CollectorRegistry()))  # type: ignore[arg-type]  # readiness is not asked
    async with client_of(app) as client:
        return await client.get("/livez")


async def test_a_process_with_a_component_that_only_a_new_start_mends_is_not_alive_and_says_which() -> None:
    answer = await livez(Part(), Part(component="watchdog", ok=False, alive=False, standstill={"relay": "stuck"}))
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not-alive",
        "components": [{"component": "watchdog", "ok": False, "alive": False, "standstill": {"relay": "stuck"}}],
    }


@pytest.mark.parametrize("report", [{}, {"ok": False}, {"alive": True}])
async def test_a_component_in_trouble_that_a_new_start_does_not_mend_is_alive(report: dict[str, Any]) -> None:
    assert (await livez(Part(**report))).status_code == 200
