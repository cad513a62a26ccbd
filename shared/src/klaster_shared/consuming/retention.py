"""How long the inbox remembers: as long as a message may come again under another offset, and not for ever.

The one rule: an id is forgotten only when nothing that is known can bring it again. Positions drop what Kafka delivers once more,
however old it is, without the inbox; an id that lies parked is kept until it has left its queue, however long that takes.
docs/architecture/consuming.md, "What the inbox forgets", has the argument and its limit.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import BigInteger, DateTime, Numeric, bindparam, cast, column, delete, exists, func, select, table, tuple_

from klaster_shared.clock import Clock, Instant
from klaster_shared.consuming.inbox import INBOX
from klaster_shared.consuming.parking import PARKED_MESSAGE
from klaster_shared.db.engine import Connection, Database
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.db.statements import Statement
from klaster_shared.lifecycle import Role
from klaster_shared.observability.metrics import Metrics

ADVISORY_LOCK = 0x6B6C_6173_7465_7202
CHUNK_ROWS = 1000
"""In one transaction: a few milliseconds, so that nobody who repeats one of these ids waits for long."""
PACE_SECONDS = 0.1
EVERY_SECONDS = 600.0
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger(__name__)

_old = INBOX.alias("old")
_parked = exists().where(PARKED_MESSAGE.c.consumer == _old.c.consumer, PARKED_MESSAGE.c.message_id == _old.c.message_id)
_chosen = (
    select(_old.c.consumer, _old.c.message_id)
    .where(
        _old.c.applied_at >= bindparam("since", type_=DateTime(timezone=True)),
        _old.c.applied_at < bindparam("before", type_=DateTime(timezone=True)),
        ~_parked,
    )
    .limit(bindparam("rows", type_=BigInteger))
)
_FORGET = Statement(delete(INBOX).where(tuple_(INBOX.c.consumer, INBOX.c.message_id).in_(_chosen)).returning(INBOX.c.applied_at))
_TAKE_TURN = Statement(select(func.pg_try_advisory_xact_lock(bindparam("key", type_=BigInteger))))
_catalogue = table("pg_class", column("oid"), column("reltuples", Numeric))
_ESTIMATE = Statement(select(cast(_catalogue.c.reltuples, BigInteger)).where(_catalogue.c.oid == func.to_regclass(INBOX.name)))


class InboxRetention:
    """A component of every process that consumes; the processes of a service take turns."""

    role = Role.CONSUMERS

    def __init__(self, database: Database, metrics: Metrics, clock: Clock, *, keep: timedelta) -> None:
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._keep = keep
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="inbox retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def report(self) -> dict[str, Any]:
        return {"component": "inbox retention", "ok": self._trouble is None, "days": self._keep.days, "trouble": self._trouble}

    async def forget(self) -> int | None:
        """Forgets all that is old enough, chunk by chunk; how many ids. None when another process had its turn: the rest is then its."""
        before, since, total = self._clock.now() - self._keep, BEGINNING, 0
        while True:
            forgotten = await self._chunk(since, before)
            if forgotten is None:
                return None
            total += len(forgotten)
            self._metrics.inbox_forgotten.inc(len(forgotten))
            if len(forgotten) < CHUNK_ROWS:
                return total
            since = max(forgotten)  # what lies before was just deleted, and would have to be stepped over again
            await asyncio.sleep(PACE_SECONDS)

    async def _chunk(self, since: Instant, before: Instant) -> list[Instant] | None:
        async with self._database.connect() as connection, connection.transaction():
            if not await _TAKE_TURN.fetchval(connection, key=ADVISORY_LOCK):
                return None
            return [row["applied_at"] for row in await _FORGET.fetch(connection, since=since, before=before, rows=CHUNK_ROWS)]

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
                self._trouble = None
            except DATABASE_FAILURES as error:
                self._trouble = type(error).__name__
            await asyncio.sleep(EVERY_SECONDS)

    async def _turn(self) -> None:
        forgotten = await self.forget()
        if forgotten is not None:
            self._metrics.inbox_cleared.set(self._clock.now().timestamp())
        if forgotten:
            log.info("old inbox rows deleted", rows=forgotten, days=self._keep.days)
        async with self._database.connect() as connection:
            self._metrics.inbox_rows.set(await _estimate(connection))


async def _estimate(connection: Connection) -> int:
    """As PostgreSQL's own statistics have it: counting would cost more than clearing. Negative there means that nobody has looked yet."""
    estimated: int = await _ESTIMATE.fetchval(connection)
    return max(0, estimated)
