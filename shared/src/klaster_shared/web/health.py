"""What platforms and operators ask: alive, ready, how much.

The one rule: whatever a new start does not mend never makes a process look dead. Readiness is the service's own database,
reachable and migrated. The broker's absence is reported in the body and in metrics, and never makes a service unready: commands
are accepted while it is away.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import JSONResponse, Response

from klaster_shared.web.lifespan import Component, Readiness


def health_routes(readiness: Readiness, components: Sequence[Component], registry: CollectorRegistry) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/livez", responses={503: {"description": "Work waits, nothing of it gets done, and only a new start helps."}})
    async def livez() -> JSONResponse:
        """200 while the process answers and no component stands still for a reason of its own."""
        dead = [report for component in components if not (report := component.report()).get("alive", True)]
        if not dead:
            return JSONResponse({"status": "alive"})
        return JSONResponse({"status": "not-alive", "components": [dict(report) for report in dead]}, 503)

    @router.get("/readyz", responses={503: {"description": "The database is away, or waits for its migrations."}})
    async def readyz() -> JSONResponse:
        """200 while the service's database is reachable and migrated; the body also reports relay and consumers."""
        fitness = await readiness.check()
        body: dict[str, Any] = {
            "status": fitness.state,
            "reason": fitness.reason,
            "components": [dict(component.report()) for component in components],
        }
        return JSONResponse(body, 200 if fitness.is_ready else 503)

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
