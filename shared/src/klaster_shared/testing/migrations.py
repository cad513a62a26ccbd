"""What every service's migrations must do, written once: a service's suite subclasses it and names its package and its tables.

Alembic compares no check constraints and no partial indexes, so the catalogue itself is compared as well.
"""

from collections.abc import Callable

import asyncpg
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from klaster_shared.db.metadata import PLATFORM
from klaster_shared.db.migrating import differences, downgrade, head, migrate

_SHAPE = """
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'column', table_name, column_name, concat_ws(' ', data_type, udt_name, is_nullable, column_default, identity_generation)
  FROM information_schema.columns WHERE table_schema = 'public'
"""


async def shape(url: str) -> set[tuple[str, ...]]:
    """Every column, constraint and index, Alembic's own table left out."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return {tuple(row) for row in await connection.fetch(_SHAPE) if row[1] != "alembic_version"}
    finally:
        await connection.close()


class MigrationBehaviour:
    """Subclassed as `TestMigrations`, marked `engines`."""

    package: str
    metadata: MetaData

    async def test_migrations_make_what_the_tables_say(self, new_database: Callable[[], str]) -> None:
        assert await differences(self.package, new_database(), self.metadata) == []

    async def test_down_to_the_checks_that_alembic_does_not_compare(self, new_database: Callable[[], str]) -> None:
        migrated, created = new_database(), new_database()
        await migrate(self.package, migrated)
        engine = create_async_engine(created)
        async with engine.begin() as connection:
            await connection.run_sync(PLATFORM.create_all)
            await connection.run_sync(self.metadata.create_all)
        await engine.dispose()

        assert await shape(migrated) ^ await shape(created) == set()

    async def test_migrations_can_be_taken_back(self, new_database: Callable[[], str]) -> None:
        url = new_database()
        await migrate(self.package, url)

        await downgrade(self.package, url, "base")

        assert await shape(url) == set()

    async def test_migrating_again_changes_nothing(self, new_database: Callable[[], str]) -> None:
        url = new_database()
        await migrate(self.package, url)
        before = await shape(url)

        assert await migrate(self.package, url) == head(self.package)
        assert await shape(url) == before
