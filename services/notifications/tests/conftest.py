from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from httpx import ASGITransport, AsyncClient

from klaster_notifications import bootstrap
from klaster_notifications.adapters.work import NotificationsWork
from klaster_notifications.app import create_app
from klaster_notifications.settings import NotificationsSettings
from klaster_notifications.testing import NOON
from klaster_shared.db.migrating import migrate
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin
from klaster_shared.testing.fakes import FixedClock


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture(scope="module")
def settings(database_url: str) -> NotificationsSettings:
    return NotificationsSettings.load(database_url=database_url)


@pytest.fixture(scope="module")
async def parts(settings: NotificationsSettings, clock: FixedClock) -> AsyncIterator[bootstrap.Parts]:
    """The service's parts on a migrated database, on a day in 2011; nothing is started."""
    await migrate("klaster_notifications", settings.database_url.get_secret_value())
    made = bootstrap.build(settings, clock=clock)
    yield made
    await made.database.dispose()


@pytest.fixture
async def empty(parts: bootstrap.Parts) -> None:
    """Without what earlier tests have stored."""
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE delivery, letter, dispatch, contact, cause, outbox")


@pytest.fixture
def new_work(parts: bootstrap.Parts) -> Callable[[], AbstractAsyncContextManager[NotificationsWork]]:
    """Opens a transaction, which commits when its block ends."""
    return lambda: parts.transactions.begin(Origin(actor="test", correlation_id="flow", causation_id=str(new_id())))


@pytest.fixture
async def client(parts: bootstrap.Parts, settings: NotificationsSettings) -> AsyncIterator[AsyncClient]:
    app = create_app(settings, parts)
    async with AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://notifications") as made:
        yield made
