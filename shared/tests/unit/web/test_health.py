from collections.abc import Callable

import httpx

from klaster_shared.observability.metrics import Metrics

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
