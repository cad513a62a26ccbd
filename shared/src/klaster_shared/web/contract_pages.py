"""What the service says on Kafka, served where it says it over HTTP: its AsyncAPI document and the JSON Schemas of messages."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from klaster_shared.contracts.registry import by_schema
from klaster_shared.contracts.schemas import schema_of
from klaster_shared.errors import NotFound


def contract_pages(asyncapi: Callable[[], dict[str, Any]]) -> APIRouter:
    router = APIRouter(tags=["contracts"])

    @router.get("/asyncapi.json")
    async def asyncapi_document() -> JSONResponse:
        """What this service sends and receives on Kafka (AsyncAPI 3.0)."""
        return JSONResponse(asyncapi())

    @router.get("/schemas/{name}/{version}")
    async def schema(name: str, version: int) -> Response:
        """The JSON Schema of a message, e.g. `/schemas/partners.OrganisationRegistered/1`."""
        kind = by_schema(name, version)
        if kind is None:
            raise NotFound("schema", f"{name[:100]} {version}")
        return JSONResponse(schema_of(kind), media_type="application/schema+json")

    return router
