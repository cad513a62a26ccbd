"""Runs a service's application in one process until it is told to stop.

The one rule: whatever keeps the service from working at the start is one line that says what, where and what to do; nobody reads
a traceback for a wrong password or a port that is taken. And whatever hangs at the end, the end comes within `STOP_SECONDS`.
"""

import asyncio
import contextlib
import errno
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from klaster_shared.lifecycle import CLOSE_SECONDS, QUICK_SECONDS, STOP_SECONDS
from klaster_shared.settings import ServiceSettings

_BACKLOG: Final = 2048
_log = structlog.get_logger(__name__)


class CannotStart(Exception):
    """One sentence for the operator."""


class _Server(uvicorn.Server):
    """Leaves the signals to us: uvicorn raises them again after it has stopped, which makes a clean stop look like a kill."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """
    Raises:
        CannotStart: the address is not this machine's, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise CannotStart(f"cannot listen on {host}: no such address") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"port {port} on {host} is taken: stop what listens there, or set another port") from error
        raise CannotStart(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def serve[S: ServiceSettings](settings: S, create_app: Callable[[S], FastAPI]) -> None:
    """Blocks until SIGTERM or SIGINT, or until the service finds that it can never work.

    Raises:
        CannotStart: the port is taken, the database refuses the password, or a component could not start.
    """
    listener = listen(settings.http_host, settings.http_port)
    with contextlib.closing(listener), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(create_app(settings), listener, settings))


async def _serve(app: FastAPI, listener: socket.socket, settings: ServiceSettings) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=math.ceil(CLOSE_SECONDS),
        )
    )
    startup = app.state.startup
    ending = Ending(startup.end, server)
    host, port = listener.getsockname()[:2]
    _log.info("serving", url=f"http://{host}:{port}", settings=settings.redacted())
    watch = asyncio.create_task(_stop_when_hopeless(startup.hopeless, server), name="watch the start")
    with ending.on_signals():
        try:
            await server.serve(sockets=[listener])
        finally:
            watch.cancel()
    if startup.hopeless.is_set():
        raise CannotStart(startup.reason)
    _log.info("stopped")


async def _stop_when_hopeless(hopeless: asyncio.Event, server: uvicorn.Server) -> None:
    await hopeless.wait()
    server.should_exit = True


class Ending:
    """The first signal asks for a clean stop, a second one of the same stop for a quick one."""

    def __init__(self, finish: Callable[[], Awaitable[None]], server: uvicorn.Server) -> None:
        """`finish` ends all work; the server takes connections until then, so that clients hear 503 and are not refused."""
        self._finish = finish
        self._server = server
        self._clean: asyncio.Task[None] | None = None
        self._limit: threading.Timer | None = None

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask)
        try:
            yield
        finally:
            if self._clean is not None:
                self._clean.cancel()

    def ask(self) -> None:
        if self._clean is None:
            _log.info("stopping", within_seconds=STOP_SECONDS)
            self._end_within(STOP_SECONDS)
            self._clean = asyncio.create_task(self._end_cleanly(), name="clean stop")
            return
        _log.warning("stopping at once; what is in hand is given up")
        self._end_within(QUICK_SECONDS)
        self._server.force_exit = self._server.should_exit = True

    async def _end_cleanly(self) -> None:
        await self._finish()
        self._server.should_exit = True

    def _end_within(self, seconds: float) -> None:
        """By a thread, because what hangs may be the loop itself."""
        if self._limit is not None:
            self._limit.cancel()
        self._limit = threading.Timer(seconds, _give_up)
        self._limit.daemon = True
        self._limit.start()


def _give_up() -> None:
    _log.error("the stop took too long; what was in hand is given up")
    sys.stdout.flush()
    os._exit(1)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
