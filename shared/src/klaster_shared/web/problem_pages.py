"""`/problems/<slug>`: what a problem's `type` points to, for people and for programs.

The one rule: a page is the docstring of the error's class, so a failure without an explanation cannot be shipped unseen.
"""

import inspect
from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from klaster_shared.errors import KlasterError, NotFound
from klaster_shared.web.problems import status_of

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }} dt {{ float: left; width: 6rem; color: #666 }}</style>
<h1>{title}</h1>
<p>{text}</p>
<dl><dt>type</dt><dd><code>/problems/{slug}</code></dd><dt>status</dt><dd>{status}</dd></dl>
"""


def documented_problems() -> Mapping[str, type[KlasterError]]:
    """Every error class that has a slug of its own, by slug, as far as the running service has loaded them."""
    return {kind.slug: kind for kind in _descendants(KlasterError) if "slug" in vars(kind)}


def _descendants(kind: type[KlasterError]) -> Iterator[type[KlasterError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def problem_pages() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/problems/{slug}")
    async def page(slug: str, request: Request) -> Response:
        kind = documented_problems().get(slug)
        if kind is None:
            raise NotFound("problem", slug[:80])
        members = {"title": kind.title(), "text": inspect.getdoc(kind) or "", "slug": slug, "status": status_of(kind)}
        if _prefers_json(request.headers.get("Accept", "")):
            return JSONResponse({"type": f"/problems/{slug}", "title": members["title"], "status": members["status"], "description": members["text"]})
        return HTMLResponse(_PAGE.format(**{name: escape(str(value)) for name, value in members.items()}))

    return router


def _prefers_json(accept: str) -> bool:
    """JSON when it is asked for by name, and not after HTML."""
    kinds = [kind.partition(";")[0].strip() for kind in accept.split(",")]
    return next((kind.endswith("json") for kind in kinds if kind == "text/html" or kind.endswith("json")), False)
