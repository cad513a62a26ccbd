"""Messages that are to leave later: at their time, once, in the order of their times, and not at all when they were taken back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from klaster_shared.clock import Instant
from klaster_shared.contracts import topics
from klaster_shared.contracts.envelope import decode
from klaster_shared.contracts.events import ApprovalFellDue
from klaster_shared.db.engine import Connection
from klaster_shared.ids import new_id
from klaster_shared.observability.stored_state import StoredState
from klaster_shared.outbox.scheduled import MOVED_ROWS, Timetable, scheduled_state
from klaster_shared.testing.backbone import Backbone, an_origin, running
from klaster_shared.testing.fakes import FixedClock
from klaster_shared.testing.log import read_log
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

HOUR = timedelta(hours=1)


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone]) -> Backbone:
    return new_backbone(topics.EVENTS_APPROVAL)


@pytest.fixture
async def connection(backbone: Backbone) -> AsyncIterator[Connection]:
    """As the leading relay has one."""
    made = await backbone.database.dedicated()
    yield made
    await made.close()


async def schedule(backbone: Backbone, *dues: Instant, dedupe: str | None = None) -> list[UUID]:
    """One deadline for each due time, in one transaction; the approvals they are of."""
    approvals = [new_id() for _ in dues]
    async with backbone.transactions.begin(an_origin()) as work:
        for approval, due in zip(approvals, dues, strict=True):
            message = ApprovalFellDue(approval_id=approval, event_id=new_id(), deadline=due)
            work.publish_at(message, due=due, dedupe=dedupe or str(approval), sequence=1, happened=due)
    return approvals


async def waiting(backbone: Backbone) -> list[Any]:
    async with backbone.database.connect() as connection:
        rows: list[Any] = await connection.fetch("SELECT * FROM outbox_scheduled ORDER BY id")
        return rows


async def moved(backbone: Backbone, connection: Connection, at: Instant) -> list[str]:
    """The keys in the outbox after one look at that time."""
    await Timetable(FixedClock(at)).move_due(connection)
    return [row["key"] for row in await backbone.outbox()]


async def test_what_is_due_leaves_in_the_order_of_its_times_and_the_rest_stays(backbone: Backbone, connection: Connection) -> None:
    now = backbone.clock.now()
    later, second, first = await schedule(backbone, now + HOUR, now - HOUR, now - 2 * HOUR)

    assert await moved(backbone, connection, now) == [str(first), str(second)]

    assert [row["key"] for row in await waiting(backbone)] == [str(later)]
    assert await moved(backbone, connection, now + HOUR) == [str(first), str(second), str(later)]
    assert await waiting(backbone) == []


async def test_what_leaves_is_what_was_scheduled_and_counts_as_recorded_when_it_was_due(backbone: Backbone, connection: Connection) -> None:
    now = backbone.clock.now()
    await schedule(backbone, now - HOUR)
    (planned,) = await waiting(backbone)

    await moved(backbone, connection, now)

    (row,) = await backbone.outbox()
    for column in ("message_id", "topic", "key", "type", "headers", "payload"):
        assert row[column] == planned[column], column
    assert row["recorded_at"] == now - HOUR
    assert (row["dead"], row["attempts"]) == (False, 0)


async def test_the_same_thing_scheduled_twice_leaves_once(backbone: Backbone) -> None:
    now = backbone.clock.now()
    (first,) = await schedule(backbone, now, dedupe="one deadline")
    await schedule(backbone, now - HOUR, dedupe="one deadline")

    assert [row["key"] for row in await waiting(backbone)] == [str(first)]


async def test_what_is_taken_back_does_not_leave(backbone: Backbone, connection: Connection) -> None:
    now = backbone.clock.now()
    (gone, kept) = await schedule(backbone, now, now)
    async with backbone.transactions.begin(an_origin()) as work:
        work.unschedule(str(gone))
        work.unschedule("nothing of that name")

    assert await moved(backbone, connection, now) == [str(kept)]


async def test_what_one_transaction_schedules_and_takes_back_is_as_its_last_word_says(backbone: Backbone) -> None:
    now = backbone.clock.now()
    (approval,) = await schedule(backbone, now, dedupe="known")
    message = ApprovalFellDue(approval_id=new_id(), event_id=new_id(), deadline=now)
    async with backbone.transactions.begin(an_origin()) as work:
        work.publish_at(message, due=now, dedupe="taken back", sequence=1, happened=now)
        work.unschedule("taken back")
        work.unschedule("known")
        work.publish_at(message, due=now, dedupe="known", sequence=1, happened=now)

    assert [(row["dedupe_key"], row["key"]) for row in await waiting(backbone)] == [("known", str(message.approval_id))]
    assert message.approval_id != approval


async def test_a_rolled_back_transaction_schedules_nothing_and_takes_nothing_back(backbone: Backbone) -> None:
    now = backbone.clock.now()
    (kept,) = await schedule(backbone, now)
    with pytest.raises(ZeroDivisionError):
        await reschedule_and_fail(backbone, kept, now)

    assert [row["key"] for row in await waiting(backbone)] == [str(kept)]


async def reschedule_and_fail(backbone: Backbone, approval: UUID, now: Instant) -> None:
    async with backbone.transactions.begin(an_origin()) as work:
        work.unschedule(str(approval))
        work.publish_at(ApprovalFellDue(approval_id=new_id(), event_id=new_id(), deadline=now), due=now, dedupe="new", sequence=1, happened=now)
        await work.write_outbox()
        raise ZeroDivisionError


async def test_what_somebody_is_taking_back_holds_up_nobody(backbone: Backbone, connection: Connection) -> None:
    """The relay does not wait for a transaction of the business; if that one is rolled back the message leaves at the next look."""
    now = backbone.clock.now()
    held, free = await schedule(backbone, now - HOUR, now)
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(backbone.database.connect())
        await other.execute("BEGIN")
        await other.execute("DELETE FROM outbox_scheduled WHERE key = $1", str(held))
        assert await asyncio.wait_for(moved(backbone, connection, now), 30) == [str(free)]
        await other.execute("ROLLBACK")

    assert await moved(backbone, connection, now) == [str(free), str(held)]


async def test_two_who_move_at_once_move_everything_once(backbone: Backbone, connection: Connection) -> None:
    """For a moment there may be two leaders."""
    now = backbone.clock.now()
    approvals = await schedule(backbone, *[now] * 50)
    other = await backbone.database.dedicated()
    try:
        await asyncio.gather(*(Timetable(FixedClock(now)).move_due(each) for each in (connection, other)))
        await moved(backbone, connection, now)
    finally:
        await other.close()

    assert sorted(row["key"] for row in await backbone.outbox()) == sorted(map(str, approvals))


async def test_more_than_one_statement_moves_leaves_without_waiting_for_the_next_look(backbone: Backbone, connection: Connection) -> None:
    now = backbone.clock.now()
    await schedule(backbone, *[now] * (MOVED_ROWS + 1))
    timetable = Timetable(FixedClock(now))

    assert [await timetable.move_due(connection) for _ in range(2)] == [MOVED_ROWS, 1]


async def test_an_idle_timetable_asks_once_a_second_at_most(backbone: Backbone, connection: Connection) -> None:
    now = backbone.clock.now()
    await schedule(backbone, now + HOUR)
    asked: list[str] = []
    timetable, began = Timetable(FixedClock(now)), time.monotonic()
    with connection.query_logger(lambda record: asked.append(record.query)):
        for _ in range(500):
            await timetable.move_due(connection)
    await asyncio.sleep(0)  # the driver tells of a statement in the loop's next round

    assert 1 <= len(asked) <= 1 + (time.monotonic() - began)


async def test_what_the_own_process_has_scheduled_is_not_waited_for_with_looks(backbone: Backbone, connection: Connection) -> None:
    clock = FixedClock(backbone.clock.now())
    timetable = Timetable(clock)
    await timetable.move_due(connection)
    due = clock.now() + timedelta(milliseconds=10)
    await schedule(backbone, due)

    timetable.expect(due)
    assert await timetable.move_due(connection) == 0
    clock.advance(timedelta(milliseconds=10))
    assert await timetable.move_due(connection) == 1


async def test_how_much_is_scheduled_and_how_late_the_first_is_can_be_asked(backbone: Backbone, connection: Connection) -> None:
    now = backbone.clock.now()
    assert (await scheduled_state(connection)).overdue_seconds(now) == 0
    await schedule(backbone, now + HOUR, now)

    state = await scheduled_state(connection)

    assert (state.rows, state.next_due) == (2, now)
    assert (state.overdue_seconds(now), state.overdue_seconds(now + HOUR), state.overdue_seconds(now - HOUR)) == (0, 3600, 0)


async def test_a_scheduled_message_reaches_the_log_once_and_one_taken_back_never(
    backbone: Backbone, declared_topics: None, kafka_servers: str
) -> None:
    now = backbone.clock.now()
    soon, gone, never = await schedule(backbone, now + timedelta(milliseconds=200), now + timedelta(milliseconds=200), now + HOUR)
    async with backbone.transactions.begin(an_origin()) as work:
        work.unschedule(str(gone))

    async def left() -> bool:
        return [row["key"] for row in await waiting(backbone)] == [str(never)] and not await backbone.outbox()

    async with running(backbone.relay):
        await eventually(left, within=40, what="the message that is due to be published")
    seen = [decode(record.value(), record.headers()) for record in await asyncio.to_thread(read_log, kafka_servers, topics.EVENTS_APPROVAL)]
    mine = [envelope for envelope in seen if envelope.subject in {str(soon), str(gone), str(never)}]
    assert [(envelope.subject, envelope.sequence, envelope.time, envelope.recorded_time) for envelope in mine] == [
        (str(soon), 1, now + timedelta(milliseconds=200), now + timedelta(milliseconds=200))
    ]


async def test_the_gauges_show_how_much_is_scheduled_and_how_late_the_first_is(backbone: Backbone) -> None:
    now = backbone.clock.now()
    await schedule(backbone, now + HOUR, now)
    state = StoredState(backbone.database, backbone.metrics, FixedClock(now + HOUR), consumers=[])

    await state.refresh()

    shown = backbone.metrics.registry.get_sample_value
    assert (shown("klaster_outbox_scheduled"), shown("klaster_outbox_scheduled_overdue_seconds")) == (2, 3600)
