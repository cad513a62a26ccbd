"""The inbox forgets by age, in small steps, one process at a time, and nothing that may still come."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from klaster_shared.clock import SystemClock
from klaster_shared.consuming import retention
from klaster_shared.consuming.retention import InboxRetention
from klaster_shared.db.engine import Connection
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, running
from klaster_shared.testing.fakes import FixedClock
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

KEEP = timedelta(days=14)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(SystemClock().now())


@pytest.fixture
def inbox(backbone: Backbone, clock: FixedClock) -> InboxRetention:
    return InboxRetention(backbone.database, backbone.metrics, clock, keep=KEEP)


async def applied(connection: Connection, at: datetime, number: int = 1, consumer: str = "c") -> list[UUID]:
    ids = [new_id() for _ in range(number)]
    await connection.executemany("INSERT INTO inbox VALUES ($1, $2, $3)", [(consumer, identifier, at) for identifier in ids])
    return ids


async def remembered(backbone: Backbone) -> Sequence[UUID]:
    async with backbone.database.connect() as connection:
        return [row["message_id"] for row in await connection.fetch("SELECT message_id FROM inbox ORDER BY applied_at, message_id")]


async def test_ids_are_forgotten_when_they_are_older_than_the_time_to_keep_and_no_earlier(
    backbone: Backbone, inbox: InboxRetention, clock: FixedClock
) -> None:
    async with backbone.database.connect() as connection:
        await applied(connection, clock.now() - KEEP - timedelta(seconds=1), 3)
        kept = await applied(connection, clock.now() - KEEP) + await applied(connection, clock.now())
    assert await inbox.forget() == 3
    assert await remembered(backbone) == kept


async def test_many_ids_are_forgotten_in_small_steps_and_all_of_them(
    backbone: Backbone, inbox: InboxRetention, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK_ROWS", 10)
    monkeypatch.setattr(retention, "PACE_SECONDS", 0.0)
    async with backbone.database.connect() as connection:
        for day in range(15, 25):  # the youngest first: the order on disk is not the order in time
            await applied(connection, clock.now() - timedelta(days=day), 7)
    while await inbox.forget():
        pass
    assert await remembered(backbone) == []
    assert backbone.metrics.registry.get_sample_value("klaster_inbox_forgotten_total") == 70


async def test_an_id_that_lies_parked_is_remembered_until_it_has_left_its_queue(backbone: Backbone, inbox: InboxRetention, clock: FixedClock) -> None:
    """It was applied, came again behind a gate, and stays there for longer than ids are kept."""
    async with backbone.database.connect() as connection:
        (parked,) = await applied(connection, clock.now() - KEEP * 2)
        await applied(connection, clock.now() - KEEP * 2, consumer="another")
        await connection.execute(
            "INSERT INTO parked_message (consumer, topic, partition, log_offset, logged_at, headers, message_id, reason, state, attempts, parked_at)"
            " VALUES ('c', 't', 0, 1, now(), '[]', $1, 'gated', 'waiting', 0, now())",
            parked,
        )
    assert await inbox.forget() == 1
    assert await remembered(backbone) == [parked]
    async with backbone.database.connect() as connection:
        await connection.execute("DELETE FROM parked_message")
    assert await inbox.forget() == 1


async def test_while_one_process_is_at_it_another_leaves_it_alone(backbone: Backbone, inbox: InboxRetention, clock: FixedClock) -> None:
    async with backbone.database.connect() as connection:
        await applied(connection, clock.now() - KEEP * 2)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", retention.ADVISORY_LOCK)
            assert await inbox.forget() is None
    assert await inbox.forget() == 1


async def test_it_forgets_by_itself_and_shows_when(backbone: Backbone, inbox: InboxRetention, clock: FixedClock) -> None:
    async with backbone.database.connect() as connection:
        await applied(connection, clock.now() - KEEP * 2)
        await connection.execute("ANALYZE inbox")
    shown = backbone.metrics.registry.get_sample_value
    async with running(inbox):
        await eventually(lambda: shown("klaster_inbox_cleared_timestamp_seconds") == clock.now().timestamp(), what="the first turn to end")
        await eventually(lambda: shown("klaster_inbox_rows") == 1, what="the estimate")
        assert inbox.report()["ok"]
    assert await remembered(backbone) == []
