"""One request or one chunk of messages = one transaction on one connection.

The edge opens it and commits; a use case works inside it and never commits. At the end all outbox rows are written in
one INSERT, after every aggregate write, and only after the commit is the relay woken.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date

from klaster_shared.clock import Clock, Instant, day_in_warsaw
from klaster_shared.contracts.envelope import Envelope, Message
from klaster_shared.db.engine import Connection, Database
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.origin import Origin
from klaster_shared.outbox.recorder import OutboxRow, outbox_row, write_rows


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
        """
        self._outbox.append(outbox_row(message, sequence=sequence, happened=happened, recorded=self.now, origin=self.origin))

    async def write_outbox(self) -> int:
        """Writes what `publish` has kept; the number of rows."""
        rows, self._outbox = self._outbox, []
        if rows:
            await write_rows(self.connection, rows)
        return len(rows)


class Transactions[W: UnitOfWork]:
    """Opens units of work on one database and wakes the relay after a commit that has something to say."""

    def __init__(self, database: Database, work: Callable[..., W], *, clock: Clock, wake: Callable[[], None]) -> None:
        """`work` is called as `work(connection, now=…, origin=…)`."""
        self.database = database
        self.clock = clock
        self._work = work
        self._wake = wake

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
                await _commit(connection)
            except BaseException:
                await _roll_back(connection)
                raise
        if published:
            self._wake()


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
