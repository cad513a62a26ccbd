"""One request or one chunk of messages = one transaction on one connection.

The edge opens it and commits; a use case works inside it and never commits. At the end all outbox rows are written in
one INSERT, after every aggregate write, and only after the commit is the relay woken.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date

from klaster_shared.clock import Clock, Instant, day_in_warsaw
from klaster_shared.contracts.envelope import Envelope, Message
from klaster_shared.contracts.registry import type_of
from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.db.engine import Connection, Database
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.origin import Origin
from klaster_shared.outbox.recorder import OutboxRow, outbox_row, write_rows
from klaster_shared.outbox.scheduled import ScheduledRow, schedule_rows, unschedule_rows


class TransactionAborted(Exception):
    """A statement failed, its error was swallowed, and the transaction went on: a defect of the caller, never of the input."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"the transaction ended with {tag} instead of COMMIT")


class UnitOfWork:
    """A service subclasses it and adds its repositories as attributes made from `self`."""

    def __init__(self, connection: Connection, *, now: Instant, origin: Origin) -> None:
        self.connection = connection
        self.now = now
        self.origin = origin
        self._outbox: list[OutboxRow] = []
        self._scheduled: dict[str, ScheduledRow] = {}
        self._unscheduled: set[str] = set()
        self._incoming: Envelope | None = None

    @property
    def today(self) -> date:
        """The day in Europe/Warsaw."""
        return day_in_warsaw(self.now)

    @property
    def actor(self) -> str:
        return self.origin.actor

    @property
    def incoming(self) -> Envelope:
        """The message being handled; an error in a request, which has none."""
        if self._incoming is None:
            raise LookupError("no message is being handled in this unit of work")
        return self._incoming

    def handling(self, envelope: Envelope, *, consumer: str) -> None:
        """From here on what is published is caused by this message, in its flow; the consumer is the actor."""
        self._incoming = envelope
        self.origin = Origin(actor=consumer, correlation_id=envelope.correlation_id or envelope.id, causation_id=envelope.id)

    def publish(self, message: Message, *, sequence: int, happened: Instant) -> None:
        """Keeps a message for the outbox INSERT at the end of the transaction.

        Raises:
            TooLarge: its body exceeds what a message may hold.
            TypeError: it is one of those that are scheduled.
        """
        if type_of(message).scheduled:
            raise TypeError(f"{type_of(message).name} is scheduled, never published at once")
        self._outbox.append(outbox_row(message, sequence=sequence, happened=happened, recorded=self.now, origin=self.origin))

    def publish_at(self, message: Message, *, due: Instant, dedupe: str, sequence: int, happened: Instant) -> None:
        """Keeps a message that is to leave at `due`, unless `dedupe` is scheduled already or is unscheduled before.

        Raises:
            TooLarge: its body exceeds what a message may hold.
            TypeError: its type is one of facts; see `klaster_shared.outbox.scheduled` for what that would break.
        """
        if not type_of(message).scheduled:
            raise TypeError(f"{type_of(message).name} is the message of a fact and leaves with it")
        row = outbox_row(message, sequence=sequence, happened=happened, recorded=due, origin=self.origin)
        self._scheduled[dedupe] = ScheduledRow(dedupe, row)

    def unschedule(self, dedupe: str) -> None:
        """Takes back what was to leave later, if it has not left; in the transaction that makes it pointless."""
        self._scheduled.pop(dedupe, None)
        self._unscheduled.add(dedupe)

    async def write_outbox(self) -> int:
        """Writes what `publish` has kept, and what is to leave later or no longer; the number of messages published."""
        rows, self._outbox = self._outbox, []
        if rows:
            await write_rows(self.connection, rows)
        if self._unscheduled:
            await unschedule_rows(self.connection, sorted(self._unscheduled))
        if self._scheduled:
            await schedule_rows(self.connection, list(self._scheduled.values()))
        return len(rows)

    def withhold(self) -> int:
        """Forgets all that was to leave, now or later, and returns how many messages that is: for replays, in which nothing leaves."""
        withheld = len(self._outbox) + len(self._scheduled)
        self._outbox.clear()
        self._scheduled.clear()
        self._unscheduled.clear()
        return withheld

    @property
    def first_due(self) -> Instant | None:
        """When the first of what was scheduled here is due."""
        return min((scheduled.row.recorded_at for scheduled in self._scheduled.values()), default=None)


class Transactions[W: UnitOfWork]:
    """Opens units of work on one database and wakes the relay after a commit that has something to say."""

    def __init__(
        self,
        database: Database,
        work: Callable[..., W],
        *,
        clock: Clock,
        wake: Callable[[], None],
        expect: Callable[[Instant], None] = lambda _due: None,
    ) -> None:
        """`work` is called as `work(connection, now=…, origin=…)`; `expect` after a commit that scheduled something, with the time of the first."""
        self.database = database
        self.clock = clock
        self._work = work
        self._wake = wake
        self._expect = expect

    def work_on(self, connection: Connection, origin: Origin) -> W:
        """A unit of work in a transaction that the caller has begun and ends. Nothing that is published in it is written."""
        return self._work(connection, now=self.clock.now(), origin=origin)

    @asynccontextmanager
    async def begin(self, origin: Origin) -> AsyncIterator[W]:
        """Commits on a clean exit, rolls back on any exception.

        Raises:
            DatabaseAway: no connection could be had.
        """
        async with self.database.connect() as connection:
            await connection.execute("BEGIN")
            try:
                work = self._work(connection, now=self.clock.now(), origin=origin)
                yield work
                published = await work.write_outbox()
                reached(CrashPoint.BEFORE_COMMIT)
                await _commit(connection)
            except BaseException:
                await _roll_back(connection)
                raise
        if published:
            reached(CrashPoint.AFTER_COMMIT)
            self._wake()
        if work.first_due is not None:
            self._expect(work.first_due)


async def _commit(connection: Connection) -> None:
    """COMMIT of a transaction that an unnoticed error has aborted answers ROLLBACK without an exception: that is a failure here."""
    tag = await connection.execute("COMMIT")
    if tag != "COMMIT":
        raise TransactionAborted(tag)


async def _roll_back(connection: Connection) -> None:
    """Ends whatever transaction is left; a connection that cannot be rolled back is dropped by the pool."""
    if connection.is_closed() or not connection.is_in_transaction():
        return
    try:
        await connection.execute("ROLLBACK")
    except DATABASE_FAILURES:
        connection.terminate()
