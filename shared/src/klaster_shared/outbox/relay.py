"""Carries outbox rows to Kafka: the only producer of the system.

One leader per database, elected by an advisory lock on the connection that it reads and deletes with: who loses the
connection loses the lock and the means to work. Rows are selected by presence in id order, sent without awaiting in
between, deleted after their acknowledgement. Why this loses nothing and keeps the order per key:
docs/architecture/outbox.md.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from aiokafka.errors import BrokerResponseError
from sqlalchemy import ARRAY, BigInteger, Text, and_, bindparam, delete, exists, func, select, update

from klaster_shared.clock import Clock, Instant
from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.db.engine import Connection, Database
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.db.statements import Row, Statement
from klaster_shared.lifecycle import PUBLISH_SECONDS, Role
from klaster_shared.observability.metrics import Metrics
from klaster_shared.outbox.floor import Floor
from klaster_shared.outbox.publisher import Publisher, is_definitive
from klaster_shared.outbox.scheduled import Timetable
from klaster_shared.outbox.table import OUTBOX

ADVISORY_LOCK = 0x6B6C_6173_7465_7201
BATCH_ROWS = 500
POLL_SECONDS = 0.02
QUIET_POLL_SECONDS = 0.05
QUIET_AFTER_SECONDS = 60.0
STANDBY_SECONDS = 0.25
SEND_SECONDS = 15.0
STOP_SECONDS = PUBLISH_SECONDS - 0.5
"""How long publishing may go on when the process is stopped; what is not acknowledged by then is sent again."""
ALONE_ATTEMPTS = 3
"""How often a record must be refused, alone and first on a fresh producer, before its row is called dead."""
BACKOFF_SECONDS = (0.1, 5.0)

log = structlog.get_logger(__name__)

_dead = OUTBOX.alias("dead")
_SELECT = Statement(
    select(OUTBOX.c.id, OUTBOX.c.topic, OUTBOX.c.key, OUTBOX.c.headers, OUTBOX.c.payload, OUTBOX.c.recorded_at)
    .where(OUTBOX.c.id > bindparam("floor", type_=BigInteger), ~OUTBOX.c.dead)
    .where(~exists().where(and_(_dead.c.dead, _dead.c.topic == OUTBOX.c.topic, _dead.c.key == OUTBOX.c.key, _dead.c.id < OUTBOX.c.id)))
    .order_by(OUTBOX.c.id)
    .limit(bindparam("rows", type_=BigInteger))
)
_DELETE = Statement(delete(OUTBOX).where(OUTBOX.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))))
_BLAME = Statement(
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("row", type_=BigInteger))
    .values(attempts=OUTBOX.c.attempts + 1, error=bindparam("why", type_=Text), dead=OUTBOX.c.attempts + 1 >= ALONE_ATTEMPTS)
    .returning(OUTBOX.c.dead)
)


@dataclass(slots=True)
class Delivery:
    """What became of the rows of one attempt."""

    acknowledged: list[Row] = field(default_factory=list)
    refused: list[Row] = field(default_factory=list)
    failure: BaseException | None = None


class Relay:
    """A component of every service process; whichever holds the lock leads, the others stand by."""

    role = Role.RELAY

    def __init__(self, database: Database, publisher: Callable[[], Publisher], *, metrics: Metrics, clock: Clock) -> None:
        """`publisher` makes a fresh, unstarted client; it is called again after every failure."""
        self._database = database
        self._make_publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._timetable = Timetable(clock)
        self._awake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._publisher: Publisher | None = None
        self._suspects: set[int] = set()
        self._leading = False
        self._trouble: str | None = None
        self._last_found = time.monotonic()
        self.answers = 0
        """Acknowledgements and refusals heard from the broker, for the watchdog."""

    @property
    def leading(self) -> bool:
        return self._leading

    def wake(self) -> None:
        """Called after a commit that wrote outbox rows."""
        self._awake.set()

    def expect(self, due: Instant) -> None:
        """Called after a commit that scheduled a message."""
        self._timetable.expect(due)

    async def start(self) -> None:
        self._stopping.clear()
        self._task = asyncio.create_task(self._run(), name="relay")

    async def stop(self) -> None:
        """Publishes what is committed by now, as far as that goes within `STOP_SECONDS`, and gives the lock back."""
        self._stopping.set()
        self._awake.set()
        if self._task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._task, STOP_SECONDS)
            self._task = None

    def report(self) -> dict[str, Any]:
        return {"component": "relay", "ok": self._trouble is None, "leader": self._leading, "trouble": self._trouble}

    async def _run(self) -> None:
        delay = BACKOFF_SECONDS[0]
        while not self._stopping.is_set():
            try:
                await self._lead_once()
                delay = BACKOFF_SECONDS[0]
            except Exception as error:  # noqa: BLE001 - a relay that ended would keep every message for good, and nobody would hear of it
                self._note(error)
                await self._pause(delay)
                delay = min(delay * 2, BACKOFF_SECONDS[1])

    async def _lead_once(self) -> None:
        """One connection's life: stand by until the lock is had, then lead until stopped or until the connection is lost."""
        connection = await self._database.dedicated()
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK):
                if self._stopping.is_set():
                    return
                await self._pause(STANDBY_SECONDS)
            self._leads(True)
            await self._lead(connection)
        finally:
            self._leads(False)
            self._suspects.clear()
            await self._discard_publisher()
            await _close(connection)

    async def _lead(self, connection: Connection) -> None:
        delay = BACKOFF_SECONDS[0]
        floor = Floor()  # what one connection has proved does not outlive it
        while True:
            self._awake.clear()
            stopping = self._stopping.is_set()  # asked before the read: whatever was committed before the stop is in it
            await self._timetable.move_due(connection)
            await floor.rise(connection)
            rows = await _SELECT.fetch(connection, rows=BATCH_ROWS, floor=floor.id)
            if not rows:
                self._trouble = None  # nothing waits, so nothing is wrong; the next failure will say so again
                if stopping:
                    return
                await self._idle()
                continue
            self._last_found = time.monotonic()
            delivery = await self._deliver(connection, rows)
            if delivery.acknowledged:
                await self._acknowledged(connection, delivery.acknowledged)
            if delivery.failure is None:
                self._trouble, delay = None, BACKOFF_SECONDS[0]
                if stopping and len(rows) < BATCH_ROWS:  # these were all; what came since is of others, who can publish it
                    return
                continue
            self._note(delivery.failure)
            if stopping:  # the rows are kept, and the next leader reads them
                return
            self._suspects.update(row["id"] for row in delivery.refused)
            await self._discard_publisher()
            await self._pause(delay)
            delay = min(delay * 2, BACKOFF_SECONDS[1])

    async def _deliver(self, connection: Connection, rows: list[Row]) -> Delivery:
        """Suspects go alone, each first on a fresh producer; what lies between them goes pipelined. The first failure ends it."""
        total = Delivery()
        pending: list[Row] = []
        for row in [*rows, None]:
            if row is not None and row["id"] not in self._suspects:
                pending.append(row)
                continue
            if pending:
                part = await self._send(pending)
                pending = []
                total.acknowledged += part.acknowledged
                if part.failure is not None:
                    total.failure, total.refused = part.failure, part.refused
                    return total
            if row is not None:
                failure = await self._send_alone(connection, row)
                if failure is not None:
                    total.failure = failure
                    return total
                total.acknowledged.append(row)
        return total

    async def _send(self, rows: list[Row]) -> Delivery:
        futures: list[asyncio.Future[Any]] = []
        ended: Exception | None = None
        delivery = Delivery()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                publisher = self._publisher or await self._fresh_publisher()
                for row in rows:
                    try:
                        futures.append(await publisher.send(row["topic"], row["key"].encode(), row["payload"], _headers(row)))
                    except Exception as error:  # noqa: BLE001 - the first send() that raises ends the batch, nothing behind it is sent
                        ended = error
                        if is_definitive(error):
                            delivery.refused.append(row)
                        break
                if futures:
                    await asyncio.wait(futures)
        except Exception as error:  # noqa: BLE001 - every failure of a client has the same answer: throw it away, read again
            ended = ended or error
        for row, future in zip(rows, futures, strict=False):
            failure = future.exception() if future.done() and not future.cancelled() else TimeoutError("no acknowledgement in time")
            if failure is None:
                delivery.acknowledged.append(row)
                continue
            delivery.failure = delivery.failure or failure
            if is_definitive(failure):
                delivery.refused.append(row)
        delivery.failure = delivery.failure or ended
        return delivery

    async def _send_alone(self, connection: Connection, row: Row) -> BaseException | None:
        """The proof that a record itself is refused: nothing before it on this producer, nothing beside it."""
        await self._discard_publisher()
        delivery = await self._send([row])
        if delivery.failure is None:
            self._suspects.discard(row["id"])
            return None
        if delivery.refused:
            why = type(delivery.failure).__name__
            dead = await _BLAME.fetchval(connection, row=row["id"], why=why)
            if dead:
                self._suspects.discard(row["id"])
                log.error("outbox row is dead: the broker refuses the record; its key is held", row=row["id"], topic=row["topic"], reason=why)
        return delivery.failure

    async def _acknowledged(self, connection: Connection, rows: list[Row]) -> None:
        reached(CrashPoint.AFTER_SEND)
        await _DELETE.execute(connection, ids=[row["id"] for row in rows])
        reached(CrashPoint.AFTER_OUTBOX_DELETE)
        now = self._clock.now()
        self.answers += 1
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["topic"]] = counts.get(row["topic"], 0) + 1
            self._metrics.outbox_publish_delay_seconds.observe(max(0.0, (now - row["recorded_at"]).total_seconds()))
        for topic, count in counts.items():
            self._metrics.outbox_published.labels(topic=topic).inc(count)

    async def _fresh_publisher(self) -> Publisher:
        publisher = self._make_publisher()
        await publisher.start()
        self._publisher = publisher
        return publisher

    async def _discard_publisher(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            with suppress(Exception):  # it is thrown away because it failed; how it ends is of no interest
                await publisher.hard_close()

    async def _idle(self) -> None:
        quiet = time.monotonic() - self._last_found > QUIET_AFTER_SECONDS
        with suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), QUIET_POLL_SECONDS if quiet else POLL_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _leads(self, leading: bool) -> None:  # noqa: FBT001 - a state, not a choice of behaviour
        if leading != self._leading:
            log.info("relay leads" if leading else "relay stands by")
        self._leading = leading
        self._metrics.outbox_relay_leader.set(1 if leading else 0)

    def _note(self, error: BaseException) -> None:
        reason = type(error).__name__
        self._metrics.outbox_publish_failures.labels(reason=reason).inc()
        self.answers += isinstance(error, BrokerResponseError)
        if self._trouble != reason:
            log.warning("relay cannot publish; it tries again", reason=reason)
        self._trouble = reason


def _headers(row: Row) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in orjson.loads(row["headers"])]


async def _close(connection: Connection) -> None:
    """Closing the connection gives the advisory lock back at once."""
    with suppress(*DATABASE_FAILURES):
        await asyncio.wait_for(connection.close(), 2)
        return
    connection.terminate()
