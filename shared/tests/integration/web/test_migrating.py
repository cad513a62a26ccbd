import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from textwrap import dedent

import asyncpg
import pytest
from sqlalchemy import Column, Integer, Table, Text
from sqlalchemy.exc import DBAPIError

from klaster_shared.db import migrating
from klaster_shared.db.engine import Connection, Database
from klaster_shared.db.metadata import new_metadata

pytestmark = pytest.mark.engines

ENV = """
from alembic import context
from sqlalchemy import Column, Integer, Table, Text
from klaster_shared.db.metadata import new_metadata
from klaster_shared.db.migrating import run_migrations

run_migrations(context, new_metadata())
"""
FIRST = """
from alembic import op
from klaster_shared.db.platform_schema import create_platform_tables, drop_platform_tables, extend_platform_tables_0002

revision, down_revision = "0001", None

def upgrade() -> None:
    create_platform_tables()
    extend_platform_tables_0002()
    op.execute("CREATE TABLE thing (name TEXT NOT NULL, CONSTRAINT pk_thing PRIMARY KEY (name))")

def downgrade() -> None:
    op.drop_table("thing")
    drop_platform_tables()
"""
SECOND = """
from alembic import op

revision, down_revision = "0002", "0001"

def upgrade() -> None:
    op.execute("ALTER TABLE thing ADD COLUMN version INTEGER NOT NULL DEFAULT 0")
    {more}

def downgrade() -> None:
    op.drop_column("thing", "version")
"""

type MakePackage = Callable[..., str]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePackage]:
    """`make_package(FIRST, SECOND)`: a package with these revisions, importable by the returned name."""
    numbers, before = count(), set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def make(*revisions: str) -> str:
        name = f"example_{tmp_path.name.replace('-', '_')}_{next(numbers)}"
        versions = tmp_path / name / "migrations" / "versions"
        versions.mkdir(parents=True)
        for folder in (versions.parent.parent, versions.parent):
            (folder / "__init__.py").touch()
        (versions.parent / "env.py").write_text(ENV)
        for number, text in enumerate(revisions, 1):
            (versions / f"2026_11_23_{number:04}_step.py").write_text(dedent(text))
        return name

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Connection]:
    connected = await asyncpg.connect(url.replace("+asyncpg", ""))
    yield connected
    await connected.close()


async def test_an_empty_database_is_brought_to_the_head(make_package: MakePackage, url: str, connection: Connection) -> None:
    package = make_package(FIRST, SECOND.format(more=""))
    assert await migrating.current(connection) is None
    assert await migrating.pending(connection, package)
    assert await migrating.migrate(package, url) is None
    assert await migrating.current(connection) == migrating.head(package) == "0002"
    assert not await migrating.pending(connection, package)


async def test_only_what_is_new_is_run(make_package: MakePackage, url: str, connection: Connection) -> None:
    await migrating.migrate(make_package(FIRST), url)
    newer = make_package(FIRST, SECOND.format(more=""))
    assert await migrating.pending(connection, newer)
    assert await migrating.migrate(newer, url) == "0001"
    assert await migrating.migrate(newer, url) == "0002"


async def test_a_database_ahead_of_this_release_is_not_pending(make_package: MakePackage, url: str, connection: Connection) -> None:
    older = make_package(FIRST)
    await migrating.migrate(make_package(FIRST, SECOND.format(more="")), url)
    assert not await migrating.pending(connection, older)


async def test_concurrent_runs_are_safe(make_package: MakePackage, url: str, connection: Connection, tmp_path: Path) -> None:
    """In processes of their own, as replicas are: Alembic keeps its context in module globals."""
    package = make_package(FIRST, SECOND.format(more='op.execute("SELECT pg_sleep(0.5)")'))
    program = "import asyncio, sys; from klaster_shared.db.migrating import migrate; asyncio.run(migrate(*sys.argv[1:]))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    runs = [await asyncio.create_subprocess_exec(sys.executable, "-c", program, package, url, env=environment) for _ in range(2)]
    assert [await run.wait() for run in runs] == [0, 0]
    assert await migrating.current(connection) == "0002"


async def test_a_revision_that_fails_leaves_nothing_of_the_run(make_package: MakePackage, url: str, connection: Connection) -> None:
    package = make_package(FIRST, SECOND.format(more='op.execute("SELECT 1 / 0")'))
    with pytest.raises(DBAPIError):
        await migrating.migrate(package, url)
    assert await migrating.current(connection) is None
    assert await connection.fetchval("SELECT to_regclass('thing')") is None


async def test_a_revision_does_not_queue_behind_traffic_for_long(
    make_package: MakePackage, url: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrating.migrate(make_package(FIRST), url)
    monkeypatch.setattr(migrating, "LOCK_SECONDS", 1)
    async with connection.transaction():
        await connection.execute("LOCK TABLE thing IN ACCESS SHARE MODE")
        with pytest.raises(DBAPIError) as raised:
            await migrating.migrate(make_package(FIRST, SECOND.format(more="")), url)
    assert getattr(raised.value.orig, "sqlstate", None) == "55P03"


async def test_the_newest_revision_can_be_taken_back(make_package: MakePackage, url: str, connection: Connection) -> None:
    package = make_package(FIRST, SECOND.format(more=""))
    await migrating.migrate(package, url)
    await migrating.downgrade(package, url, "-1")
    assert await migrating.current(connection) == "0001"
    await migrating.downgrade(package, url, "base")
    assert await connection.fetchval("SELECT to_regclass('outbox')") is None


async def test_tables_that_are_what_the_code_says_show_no_difference(make_package: MakePackage, url: str) -> None:
    metadata = new_metadata()
    Table("thing", metadata, Column("name", Text, primary_key=True))
    assert await migrating.differences(make_package(FIRST), url, metadata) == []


async def test_a_forgotten_column_is_a_difference(make_package: MakePackage, url: str) -> None:
    metadata = new_metadata()
    Table("thing", metadata, Column("name", Text, primary_key=True), Column("version", Integer, nullable=False))
    ((kind, *_),) = await migrating.differences(make_package(FIRST), url, metadata)
    assert kind == "add_column"


async def test_readiness_reads_the_revision_through_the_pool(make_package: MakePackage, url: str) -> None:
    package = make_package(FIRST)
    database = Database(url, name="example")
    async with database.connect() as connection:
        assert await migrating.pending(connection, package)
    async with database.connect() as connection:
        assert await migrating.pending(connection, package)
    await database.dispose()
