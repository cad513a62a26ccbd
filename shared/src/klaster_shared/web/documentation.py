"""What every route's OpenAPI entry says beyond its own body: shared headers, and problem documents instead of FastAPI's own errors."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse

_PROBLEM_CONTENT: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

_KEY: Final = r'^([!#-\[\]-~]+|"([ !#-\[\]-~]|\\["\\])+")$'

_PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "RFC 9457. `type` is the path of a page that says what happened and what to do; further members belong to that type.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/stale-version"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The request, as urn:uuid."},
        "errors": {
            "type": "array",
            "items": {"type": "object", "required": ["field", "message"], "properties": {"field": {"type": "string"}, "message": {"type": "string"}}},
        },
    },
    "additionalProperties": True,
}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": _PROBLEM_CONTENT}


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string", **schema}}


ANY_PROBLEM: Final[dict[int | str, dict[str, Any]]] = {"default": _problem("A problem document.")}

COMMAND_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _problem("The request cannot be read: its body is no JSON, or a header has another form."),
    404: _problem("There is no such thing."),
    409: _problem("Refused by the state of the thing, a duplicate, or a request with the same Idempotency-Key in progress."),
    412: _problem("The thing has changed since the version named in If-Match."),
    413: _problem("The body is over 1 MiB."),
    415: _problem("The body is not application/json."),
    422: _problem("A field cannot be used, or the Idempotency-Key belongs to another request."),
    428: _problem("If-Match is required here."),
    503: _problem("Not now: repeat after the time in Retry-After, with the same Idempotency-Key."),
}

COMMAND_HEADERS: Final[list[dict[str, Any]]] = [
    _header(
        "Idempotency-Key", "Repeating a request with its key gives the first answer again, without a second effect.", pattern=_KEY, maxLength=255
    ),
    _header("X-Klaster-Actor", "Who acts; kept in history. `local` without it.", maxLength=200),
    _header("X-Correlation-Id", "Names the flow; 1 to 128 visible ASCII characters. Without it the service makes one. It comes back in the answer."),
]


class DocumentedAPI(FastAPI):
    """FastAPI whose document knows problem documents."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
        return document


def add_docs_page(app: FastAPI) -> None:
    """`/docs`: Swagger UI from files of a Python package, so that it works without the Internet."""
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="docs/assets/favicon-32x32.png",
        )
