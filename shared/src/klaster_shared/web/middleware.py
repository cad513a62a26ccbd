"""What happens to every request, in plain ASGI: correlation, metrics, limits, and a problem document whatever goes wrong.

The one rule: a middleware here never reads a body that it passes on, and never waits for one; a request pays for nothing it does not use.
"""

import asyncio
import time
from contextlib import suppress
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from klaster_shared.errors import Invalid, KlasterError
from klaster_shared.observability.correlation import flow_of_request, following
from klaster_shared.observability.metrics import Metrics
from klaster_shared.web.problems import answer, problem
from klaster_shared.web.protocol import BodyTooLarge

CORRELATION_HEADER: Final = "X-Correlation-Id"
BODY_LIMIT: Final = 1024 * 1024
"""Bytes."""
DROP_LIMIT: Final = 32 * BODY_LIMIT
DROP_SECONDS: Final = 5.0

_CLIENT_WENT_AWAY: Final = 499
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = structlog.get_logger(__name__)


class RequestMetrics:
    """Counts and times requests by route template; what matches no route is `unmatched`, so that no caller can invent label values."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._requests = cache(metrics.http_requests.labels)  # finding a series costs more than counting in it
        self._seconds = cache(metrics.http_request_seconds.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _CLIENT_WENT_AWAY
        began = time.perf_counter()

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting_status)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = str(getattr(scope.get("route"), "path", "unmatched"))
            self._requests(method, route, str(status)).inc()
            self._seconds(method, route).observe(time.perf_counter() - began)


class Correlated:
    """Gives the request its ids, binds them to the log context, and sends the correlation id back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        flow = flow_of_request(Headers(scope=scope).get(CORRELATION_HEADER))
        state: dict[str, Any] = scope.setdefault("state", {})
        state["correlation_id"], state["request_id"] = flow.correlation_id, flow.causation_id

        async def with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[CORRELATION_HEADER] = flow.correlation_id
            await send(message)

        with following(flow):
            await self._app(scope, receive, with_header)


class LastResort:
    """Whatever escapes the routes becomes a problem document; once an answer has begun it can only be logged and cut off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting_start)
        except ClientDisconnect:
            _log.info("client went away before its request was read")
        except Exception as failure:
            response = await answer(Request(scope, receive), failure)
            if started:
                raise
            await response(scope, receive, send)


async def drop_rest(receive: Receive) -> None:
    """Takes in what a client is still sending: when the connection is closed on it, it sees a reset and never the answer (RFC 9112 section 9.6)."""
    dropped = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DROP_SECONDS):
            while dropped < DROP_LIMIT:
                message = await receive()
                dropped += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


class RequestLimits:
    """Refuses bodies over `BODY_LIMIT`, by their announced length or while they arrive, and NUL in the query string."""

    def __init__(self, app: ASGIApp, *, limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await self._refuse(refusal, scope, receive, send)
            return
        await self._count(scope, receive, send)

    def _refusal(self, scope: Scope) -> KlasterError | None:
        length = Headers(scope=scope).get("Content-Length", "0")
        if length.isdecimal() and int(length[:20]) > self._limit:
            return BodyTooLarge(self._limit)
        if b"%00" in scope["query_string"]:
            fields = [name for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True) if "\0" in name + value]
            return Invalid(fields[0].replace("\0", "")[:100] or "query", "a NUL character is not allowed")
        return None

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        received, too_large = 0, False

        async def counted() -> Message:
            nonlocal received, too_large
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                too_large = True
                raise BodyTooLarge(self._limit)
            return message

        async def unless_too_large(message: Message) -> None:
            if not too_large:
                await send(message)

        try:
            await self._app(scope, counted, unless_too_large)
        except BodyTooLarge:
            if not too_large:
                raise
        if too_large:
            await self._refuse(BodyTooLarge(self._limit), scope, receive, send)

    async def _refuse(self, refusal: KlasterError, scope: Scope, receive: Receive, send: Send) -> None:
        """After a refused body the connection cannot be used again: its rest may still be on the way."""
        headers = {"Connection": "close"} if isinstance(refusal, BodyTooLarge) else None
        if headers and "Expect" not in Headers(scope=scope):  # who expects 100-continue has not begun to send
            await drop_rest(receive)
        await problem(refusal, instance=scope["state"]["request_id"], headers=headers)(scope, receive, send)
