"""Alembic without an ini file: the scripts are a package's resources, so that `migrate` works from an installed wheel.

The one rule: all pending revisions run in one transaction under an advisory lock and a short `lock_timeout`, so that two
concurrent runs are safe and none waits in front of running traffic.
"""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any, Final

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from klaster_shared.db.engine import CONNECT_SECONDS, Connection
from klaster_shared.db.metadata import PLATFORM

LOCK_SECONDS: Final = 5
"""How long a revision waits for a table that traffic is using before it gives up."""

_ONE_AT_A_TIME: Final = 0x6B6C6173746572  # "klaster"; the bigint space of advisory locks
_VERSION_TABLE: Final = "alembic_version"
_PLATFORM_MODULES: Final = (
    "outbox.table",
    "outbox.scheduled",
    "consuming.inbox",
    "consuming.positions",
    "consuming.parking",
    "consuming.audit",
    "web.idempotency",
)
"""Where the platform's tables are declared: each hangs on `PLATFORM` only once its module has been read."""


async def migrate(package: str, url: str) -> str | None:
    """Brings the database at `url` to the head of `package`'s migrations; the revision it had before.

    Raises:
        sqlalchemy.exc.DBAPIError: the database refused; nothing was changed.
        OSError: the database is not there.
    """
    return await _with_connection(url, _upgrade, package)


async def downgrade(package: str, url: str, revision: str) -> None:
    """Back to `revision` (`-1`: one step, `base`: nothing left). For tests of the newest revision and for a failed roll-out."""
    await _with_connection(url, _downgrade, package, revision)


async def differences(package: str, url: str, metadata: MetaData) -> list[Any]:
    """What Alembic would still change after `package`'s migrations to make the database what the tables in the code say; empty when right."""
    return await _with_connection(url, _compare, package, metadata)


@cache
def head(package: str) -> str:
    """The newest revision in `package`'s migrations."""
    newest = ScriptDirectory.from_config(_config(package)).get_current_head()
    if newest is None:
        raise LookupError(f"{package} has no migrations")
    return newest


async def current(connection: Connection) -> str | None:
    """The revision the database is at; None when it was never migrated. Outside a transaction."""
    try:
        revision: str | None = await connection.fetchval(f"SELECT version_num FROM {_VERSION_TABLE}")  # noqa: S608 - a constant
    except asyncpg.UndefinedTableError:
        return None
    return revision


async def pending(connection: Connection, package: str) -> bool:
    """Whether `migrate` would have something to do. A database ahead of this release is not pending: revisions fit the code before them."""
    at = await current(connection)
    return at != head(package) and (at is None or at in _known_revisions(package))


def run_migrations(context: Any, metadata: MetaData) -> None:
    """What a service's `migrations/env.py` calls with `alembic.context` and its own tables."""
    connection: SyncConnection | None = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run migrations through the service's `migrate` command, not through alembic itself")
    context.configure(connection=connection, target_metadata=[PLATFORM, metadata], transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        context.run_migrations()


def _config(package: str) -> Config:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    config.set_main_option("path_separator", "os")
    return config


@cache
def _known_revisions(package: str) -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config(package)).walk_revisions())


async def _with_connection[R](url: str, work: Any, *arguments: Any) -> R:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": CONNECT_SECONDS})
    try:
        async with engine.connect() as connection:
            result: R = await connection.run_sync(work, *arguments)
            return result
    finally:
        await engine.dispose()


def _upgrade(connection: SyncConnection, package: str) -> str | None:
    before = _revision(connection)
    command.upgrade(_attached(package, connection), "head")
    return before


def _downgrade(connection: SyncConnection, package: str, revision: str) -> None:
    command.downgrade(_attached(package, connection), revision)


def _compare(connection: SyncConnection, package: str, metadata: MetaData) -> list[Any]:
    for module in _PLATFORM_MODULES:
        import_module(f"klaster_shared.{module}")
    command.upgrade(_attached(package, connection), "head")
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": [PLATFORM, metadata]}
    )
    return list(_flat(compare_metadata(context, [PLATFORM, metadata])))  # type: ignore[arg-type]  # Alembic takes a list; its annotation lags


def _revision(connection: SyncConnection) -> str | None:
    before = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()  # ends the transaction that reading began: the lock is to be the first statement of the next
    return before


def _attached(package: str, connection: SyncConnection) -> Config:
    config = _config(package)
    config.attributes["connection"] = connection
    return config


def _flat(found: Iterable[Any]) -> Iterable[Any]:
    for difference in found:
        if isinstance(difference, list):
            yield from difference
        else:
            yield difference
