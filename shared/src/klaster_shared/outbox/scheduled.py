"""Messages that are to leave later: the deadlines of processes, kept beside the outbox until they are due.

The one rule: what is scheduled becomes an outbox row when it is due, and takes its id then. So it must not share topic and key
with an aggregate's facts, whose ids are taken under the aggregate's lock; topics are therefore either of facts or of scheduled
messages, never of both (`MessageType.scheduled`; docs/architecture/outbox.md).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Identity, Index, LargeBinary, Table, Text, UniqueConstraint, Uuid, bindparam, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.postgresql import insert

from klaster_shared.clock import Clock, Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.metadata import PLATFORM
from klaster_shared.db.statements import Statement, rows_of
from klaster_shared.outbox.recorder import OutboxRow
from klaster_shared.outbox.table import OUTBOX

LOOK_SECONDS = 1.0
"""How often the leader looks for what other processes have scheduled; what its own process schedules it knows."""
MOVED_ROWS = 500

OUTBOX_SCHEDULED = Table(
    "outbox_scheduled",
    PLATFORM,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False, comment="when it becomes an outbox row, and what that row shows as recorded"),
    Column("dedupe_key", Text, nullable=False, comment="what it is for: once, and to be taken back by"),
    Column("message_id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("headers", Text, nullable=False, comment="JSON list of [name, value]"),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("dedupe_key"),
)
Index("ix_outbox_scheduled_due_at", OUTBOX_SCHEDULED.c.due_at, OUTBOX_SCHEDULED.c.id)

_CARRIED = ("message_id", "topic", "key", "type", "headers", "payload")
_GIVEN = ("due_at", "dedupe_key", *_CARRIED)


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """`row.recorded_at` is when it is due: until then it is a plan that may be taken back."""

    dedupe: str
    row: OutboxRow


_given = rows_of([OUTBOX_SCHEDULED.c[name] for name in _GIVEN])
_SCHEDULE = Statement(
    insert(OUTBOX_SCHEDULED)
    .from_select(list(_GIVEN), select(*[_given.c[name] for name in _GIVEN]).order_by(_given.c.ordinality))
    .on_conflict_do_nothing(index_elements=[OUTBOX_SCHEDULED.c.dedupe_key])
)
_UNSCHEDULE = Statement(delete_from(OUTBOX_SCHEDULED).where(OUTBOX_SCHEDULED.c.dedupe_key == func.any(bindparam("dedupes", type_=ARRAY(Text)))))
_NEXT_DUE = Statement(select(func.min(OUTBOX_SCHEDULED.c.due_at)))
_STATE = Statement(select(func.count().label("rows"), func.min(OUTBOX_SCHEDULED.c.due_at).label("next_due")).select_from(OUTBOX_SCHEDULED))


def _move() -> Statement:
    """One statement, so that a message is in one of the two tables at any moment. A row that a transaction is taking back is passed by."""
    due = (
        select(OUTBOX_SCHEDULED.c.id)
        .where(OUTBOX_SCHEDULED.c.due_at <= bindparam("now", type_=OUTBOX_SCHEDULED.c.due_at.type))
        .order_by(OUTBOX_SCHEDULED.c.due_at, OUTBOX_SCHEDULED.c.id)
        .limit(bindparam("rows", type_=BigInteger))
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    gone = delete_from(OUTBOX_SCHEDULED).where(OUTBOX_SCHEDULED.c.id == due.c.id).returning(*OUTBOX_SCHEDULED.c).cte("gone")
    arriving = select(*[gone.c[name] for name in _CARRIED], gone.c.due_at).order_by(gone.c.due_at, gone.c.id)
    return Statement(OUTBOX.insert().from_select([*_CARRIED, "recorded_at"], arriving))


_MOVE = _move()


async def schedule_rows(connection: Connection, rows: Sequence[ScheduledRow]) -> int:
    """How many were new: a key that is scheduled already keeps what it has."""
    if not rows:
        return 0
    carried = {name: [getattr(each.row, name) for each in rows] for name in _CARRIED}
    return await _SCHEDULE.execute(connection, due_at=[each.row.recorded_at for each in rows], dedupe_key=[each.dedupe for each in rows], **carried)


async def unschedule_rows(connection: Connection, dedupes: Sequence[str]) -> None:
    """What is due already may be on its way: whoever hears of it has to bear that."""
    if dedupes:
        await _UNSCHEDULE.execute(connection, dedupes=list(dedupes))


@dataclass(frozen=True, slots=True)
class ScheduledState:
    """How many messages are to leave later, and when the first of them."""

    rows: int
    next_due: Instant | None

    def overdue_seconds(self, now: Instant) -> float:
        """By how much the first should have left; 0 when it need not."""
        return 0.0 if self.next_due is None else max(0.0, (now - self.next_due).total_seconds())


async def scheduled_state(connection: Connection) -> ScheduledState:
    (row,) = await _STATE.fetch(connection)
    return ScheduledState(rows=row["rows"], next_due=row["next_due"])


class Timetable:
    """The leading relay's: moves what is due, on the relay's own connection.

    It asks the database once in `LOOK_SECONDS` when the next message is due, and moves when that time has come, so that an idle
    relay pays one statement a second for it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_due: Instant | None = None
        self._next_look = 0.0

    def expect(self, due: Instant) -> None:
        """Something was scheduled by this process: no need to be asked for."""
        self._next_due = due if self._next_due is None else min(self._next_due, due)

    async def move_due(self, connection: Connection) -> int:
        """How many messages have become outbox rows."""
        if time.monotonic() < self._next_look and not self._is_due():
            return 0
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._next_due = await _NEXT_DUE.fetchval(connection)
        if not self._is_due():
            return 0
        moved = await _MOVE.execute(connection, now=self._clock.now(), rows=MOVED_ROWS)
        self._next_due = None  # what was passed by is found at the next look, not at once and again and again
        if moved == MOVED_ROWS:
            self._next_look = 0.0
        return moved

    def _is_due(self) -> bool:
        return self._next_due is not None and self._next_due <= self._clock.now()
