"""For suites that drive a service's routes without a database: transactions that only count, and a client without sockets."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from klaster_shared.db.engine import DatabaseAway
from klaster_shared.origin import Origin


class FakeTransactions:
    """Stands in for `Transactions`: `work` makes the unit of work of an origin; what was asked and how it ended is kept.

    `beginnings` holds exceptions that the next calls of `begin` raise before they give a unit of work, `endings` such that the next
    commits raise.
    """

    def __init__(self, work: Callable[[Origin], Any]) -> None:
        self._work = work
        self.origins: list[Origin] = []
        self.committed = 0
        self.rolled_back = 0
        self.beginnings: list[Exception] = []
        self.endings: list[Exception] = []

    @asynccontextmanager
    async def begin(self, origin: Origin) -> AsyncIterator[Any]:
        self.origins.append(origin)
        _fail_next(self.beginnings)
        try:
            yield self._work(origin)
            _fail_next(self.endings)
        except BaseException:
            self.rolled_back += 1
            raise
        self.committed += 1


class AwayDatabase:
    """Stands in for a `Database` that does not answer."""

    def connect(self) -> AbstractAsyncContextManager[Any]:
        raise DatabaseAway("The database does not answer.")

    async def dispose(self) -> None: ...


def _fail_next(failures: list[Exception]) -> None:
    if failures:
        raise failures.pop(0)


def client_of(app: FastAPI, *, address: tuple[str, int] = ("127.0.0.1", 50000)) -> httpx.AsyncClient:
    """Talks to `app` in this process as a client at `address`; the lifespan does not run."""
    transport = httpx.ASGITransport(app=app, client=address)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")
