import pytest

from klaster_events.adapters.tables import metadata
from klaster_shared.db.migrating import differences

pytestmark = pytest.mark.engines


async def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str) -> None:
    assert await differences("klaster_events", database_url, metadata) == []
