from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from httpx import ASGITransport, AsyncClient

from klaster_events import bootstrap
from klaster_events.app import create_app
from klaster_events.application.ports import EventsWork
from klaster_events.settings import EventsSettings
from klaster_events.testing import FLOW, NOON, OFFICE, Commands
from klaster_shared.db.migrating import migrate
from klaster_shared.origin import Origin
from klaster_shared.testing.fakes import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture(scope="module")
async def migrated_url(database_url: str) -> str:
    await migrate("klaster_events", database_url)
    return database_url


@pytest.fixture
async def parts(migrated_url: str, clock: FixedClock) -> AsyncIterator[bootstrap.Parts]:
    """The service's parts on a migrated database; nothing is started."""
    made = bootstrap.build(EventsSettings.load(database_url=migrated_url), clock=clock)
    yield made
    await made.database.dispose()


@pytest.fixture
def new_work(parts: bootstrap.Parts) -> Callable[[], AbstractAsyncContextManager[EventsWork]]:
    """Opens a transaction, which commits when its block ends."""
    return lambda: parts.transactions.begin(Origin(actor=OFFICE, correlation_id=FLOW, causation_id="test"))


@pytest.fixture
def commands(parts: bootstrap.Parts) -> Commands:
    return Commands(parts.transactions)


@pytest.fixture
async def client(parts: bootstrap.Parts, migrated_url: str) -> AsyncIterator[AsyncClient]:
    app = create_app(EventsSettings.load(database_url=migrated_url), parts)
    async with AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://events") as made:
        yield made
