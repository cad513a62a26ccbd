"""What the gauges of stored state say of their own age."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from klaster_shared.db.engine import Connection, DatabaseAway
from klaster_shared.observability.metrics import Metrics
from klaster_shared.observability.stored_state import StoredState
from klaster_shared.testing.fakes import FixedClock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Database:
    def __init__(self) -> None:
        self.away = False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        if self.away:
            raise DatabaseAway("away")
        yield None


async def test_the_time_of_the_last_reading_stands_still_while_the_database_is_away() -> None:
    database, metrics, clock = Database(), Metrics(CollectorRegistry()), FixedClock(NOON)
    state = StoredState(database, metrics, clock, consumers=[])  # type: ignore[arg-type]  # the stand-in has the one method that is called
    state._probes = []
    await state.refresh()
    clock.advance(timedelta(minutes=2))
    database.away = True
    with pytest.raises(DatabaseAway):
        await state.refresh()
    assert metrics.registry.get_sample_value("klaster_stored_state_refreshed_timestamp_seconds") == NOON.timestamp()
