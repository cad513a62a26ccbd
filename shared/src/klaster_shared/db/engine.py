"""The pool is SQLAlchemy's, the connection that leaves it is asyncpg's.

Statements are written in Core and run on the driver: Core's own execution costs two to three times the CPU of the
statement it carries (docs/decisions/0001). A connection is handed out only while the driver holds it open; a broken one
never returns to the pool.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.errors import Unavailable

type Connection = Any
"""An asyncpg connection (asyncpg ships no types)."""

CONNECT_SECONDS = 5.0
POOL_SECONDS = 10
STATEMENT_SECONDS = 60.0
# The pool gives what the server said while connecting (starting up, too many clients, wrong password) in the dialect's own class,
# and a connection lost during the questions that the dialect asks on its first one in SQLAlchemy's.
_NO_CONNECTION = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, AsyncAdapt_asyncpg_dbapi.Error, DBAPIError)
# What SQLAlchemy takes out of a URL's query for itself; the rest of it (ssl, …) is the driver's, for every connection alike.
_NOT_OF_THE_DRIVER = ("prepared_statement_cache_size", "prepared_statement_name_func")
_SESSION = {"idle_in_transaction_session_timeout": "60000", "lock_timeout": "10000"}


class DatabaseAway(Unavailable):
    """The service's own database does not answer. Nothing was written; repeat with the same Idempotency-Key."""

    slug = "database-away"


class TooBusy(Unavailable):
    """Every connection to the database is in use. Nothing was written; repeat with the same Idempotency-Key."""

    slug = "too-busy"


class Database:
    """One pool on one PostgreSQL database. Opens nothing until the first connection is asked for."""

    def __init__(self, url: str, *, name: str, pool_size: int = 10) -> None:
        """`url` in SQLAlchemy's form, `postgresql+asyncpg://…`; `name` is what `pg_stat_activity` shows."""
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_reset_on_return=None,  # a unit of work always ends its transaction itself
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": STATEMENT_SECONDS,
                "server_settings": {"application_name": name, **_SESSION},
            },
        )
        self._url = self._engine.url
        self._name = name

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Lends a live driver connection.

        Raises:
            DatabaseAway: the database does not answer.
            TooBusy: no connection became free in time.
        """
        fairy = await self._live()
        connection = fairy.driver_connection
        try:
            yield connection
        except asyncpg.InternalClientError:
            connection.terminate()  # the driver has lost track of the protocol: open it may be, of use it is not
            raise
        finally:
            if connection is None or connection.is_closed() or connection.is_in_transaction():
                fairy.invalidate()
            fairy.close()

    async def _live(self) -> Any:
        while True:
            try:
                fairy = await self._engine.raw_connection()
            except PoolTimeout as error:
                raise TooBusy(f"All connections of {self._name} to its database were in use for {POOL_SECONDS} s.") from error
            except _NO_CONNECTION as error:
                raise DatabaseAway(f"The database of {self._name} does not answer: {type(error).__name__}.") from error
            connection = fairy.driver_connection
            if connection is not None and not connection.is_closed():
                return fairy
            fairy.invalidate()  # the server went away while it lay in the pool
            fairy.close()

    async def dedicated(self, purpose: str = "relay") -> Connection:
        """A connection outside the pool, for whoever must keep one: an advisory lock, temporary tables. The caller closes it.

        Raises:
            DatabaseAway: it could not be opened.
        """
        _, options = self._engine.dialect.create_connect_args(self._url)
        for name in _NOT_OF_THE_DRIVER:
            options.pop(name, None)
        try:
            return await asyncpg.connect(
                **options,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                server_settings={"application_name": f"{self._name} {purpose}", "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5"},
            )
        except DATABASE_FAILURES as error:
            raise DatabaseAway(f"The database of {self._name} does not answer: {type(error).__name__}.") from error

    async def answers(self, within: float = 2.0) -> bool:
        """Whether a trivial query succeeds within `within` seconds; what readiness and the consumers' retry policy ask."""
        try:
            async with asyncio.timeout(within), self.connect() as connection:
                await connection.fetchval("SELECT 1")
        except DATABASE_FAILURES:
            return False
        return True

    async def dispose(self) -> None:
        await self._engine.dispose()
