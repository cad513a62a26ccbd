from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from httpx import ASGITransport, AsyncClient

from klaster_budget import bootstrap
from klaster_budget.adapters.work import BudgetWork
from klaster_budget.app import create_app
from klaster_budget.settings import BudgetSettings
from klaster_budget.testing import NOON
from klaster_shared.db.migrating import migrate
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin
from klaster_shared.testing.fakes import FixedClock


@pytest.fixture(scope="module")
async def parts(database_url: str) -> AsyncIterator[bootstrap.Parts]:
    """The service's parts on a migrated database, on a day in 2011; nothing is started."""
    await migrate("klaster_budget", database_url)
    made = bootstrap.build(BudgetSettings.load(database_url=database_url), clock=FixedClock(NOON))
    yield made
    await made.database.dispose()


@pytest.fixture
def new_work(parts: bootstrap.Parts) -> Callable[[], AbstractAsyncContextManager[BudgetWork]]:
    """Opens a transaction, which commits when its block ends."""
    return lambda: parts.transactions.begin(Origin(correlation_id=str(new_id()), causation_id=str(new_id())))


@pytest.fixture
async def client(parts: bootstrap.Parts, database_url: str) -> AsyncIterator[AsyncClient]:
    app = create_app(BudgetSettings.load(database_url=database_url), parts)
    async with AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://budget") as made:
        yield made
