"""Requests while a process stops: those in hand are finished, new ones are told to come again.

The one rule: a request is either let in before the door closes, and then it is answered with what became of it, or it is refused
before anything has looked at it. In both cases the answer ends its connection, so that clients take the next one elsewhere.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from klaster_shared.errors import Unavailable
from klaster_shared.lifecycle import RETRY_SECONDS
from klaster_shared.web.middleware import drop_rest
from klaster_shared.web.problems import problem

ALWAYS_OPEN: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""What operations look at, to the end."""

_CLOSE: Final = {"Connection": "close"}


class Stopping(Unavailable):
    """The process is being stopped and takes no new request; nothing was read of this one. Repeat after the time in Retry-After."""

    slug = "stopping"

    def __init__(self) -> None:
        super().__init__("This process is being stopped; another one answers in a moment.", retry_after=RETRY_SECONDS)


class CutOff(Unavailable):
    """The process was stopped before it was done with this. Whether it was written is unknown: repeat with the same Idempotency-Key, or look first."""

    slug = "cut-off"

    def __init__(self) -> None:
        super().__init__("This process was stopped before it was done with this.", retry_after=RETRY_SECONDS)


class Doors:
    """Of one process: `closed` from the moment it is told to stop."""

    def __init__(self) -> None:
        self.closed = False
        self.is_cutting = False
        self._in_hand: set[asyncio.Task[Any]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def close(self) -> None:
        self.closed = True

    async def emptied(self, *, within: float) -> None:
        """Returns when no request is in hand. What is not done after `within` seconds is cut off, and answered so."""
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            self.is_cutting = True
            for task in self._in_hand:
                task.cancel()

    @contextmanager
    def request(self) -> Iterator[None]:
        """The current task has a request in hand."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._in_hand.add(task)
        self._empty.clear()
        try:
            yield
        finally:
            self._in_hand.discard(task)
            if not self._in_hand:
                self._empty.set()


class Doorkeeper:
    def __init__(self, app: ASGIApp, *, doors: Doors) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_OPEN:
            await self._app(scope, receive, send)
            return
        if self._doors.closed:
            if "Expect" not in Headers(scope=scope):  # who expects 100-continue has not begun to send
                await drop_rest(receive)
            await problem(Stopping(), instance=scope["state"]["request_id"], headers=_CLOSE)(scope, receive, send)
            return
        with self._doors.request():
            await self._let_in(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def last_of_its_connection(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if self._doors.closed:
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, last_of_its_connection)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._doors.is_cutting or started or task is None:
                raise
            task.uncancel()
            await problem(CutOff(), instance=scope["state"]["request_id"], headers=_CLOSE)(scope, receive, send)
