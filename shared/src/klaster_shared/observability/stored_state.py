"""Gauges of what is stored: read from the database now and then, not while Prometheus waits.

The one rule: a figure that can no longer be read stays what it was, so the time of the last reading is a figure, too. Every
replica shows the same ones; `max` over them is the right question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from sqlalchemy import BigInteger, bindparam, func, literal, select

from klaster_shared.clock import Clock
from klaster_shared.consuming.office import summary
from klaster_shared.db.engine import Connection, Database
from klaster_shared.db.statements import Statement
from klaster_shared.errors import Unavailable
from klaster_shared.observability.metrics import Metrics
from klaster_shared.outbox.scheduled import scheduled_state
from klaster_shared.outbox.table import OUTBOX

EVERY_SECONDS = 2.0
COUNTED_ROWS = 100_000
"""A longer outbox is shown as this long: counting must not cost more than publishing."""

type Probe = Callable[[Connection], Awaitable[None]]
"""Reads something and sets gauges; a service adds its business gauges as one."""

_PENDING = Statement(
    select(func.count()).select_from(
        select(literal(1)).select_from(OUTBOX).where(~OUTBOX.c.dead).limit(bindparam("rows", type_=BigInteger)).subquery()
    )
)
_DEAD = Statement(select(func.count()).where(OUTBOX.c.dead))
_OLDEST = Statement(select(OUTBOX.c.recorded_at).where(~OUTBOX.c.dead).order_by(OUTBOX.c.id).limit(1))


class StoredState:
    """A component of every service process."""

    role = None

    def __init__(self, database: Database, metrics: Metrics, clock: Clock, *, consumers: Sequence[str], probes: Sequence[Probe] = ()) -> None:
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._consumers = consumers
        self._probes = [self._outbox, self._scheduled, self._parked, *probes]
        self._parked_shown: set[tuple[str, str]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="stored state")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def report(self) -> dict[str, Any]:
        return {"component": "gauges", "ok": self._task is not None and not self._task.done()}

    async def _run(self) -> None:
        while True:
            with suppress(OSError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                await self.refresh()
            await asyncio.sleep(EVERY_SECONDS)

    async def refresh(self) -> None:
        """One reading of everything."""
        async with self._database.connect() as connection:
            for probe in self._probes:
                await probe(connection)
        self._metrics.stored_state_refreshed.set(self._clock.now().timestamp())

    async def _outbox(self, connection: Connection) -> None:
        self._metrics.outbox_pending.set(await _PENDING.fetchval(connection, rows=COUNTED_ROWS))
        self._metrics.outbox_dead.set(await _DEAD.fetchval(connection))
        oldest = await _OLDEST.fetchval(connection)
        self._metrics.outbox_oldest_age_seconds.set(0 if oldest is None else max(0.0, (self._clock.now() - oldest).total_seconds()))

    async def _scheduled(self, connection: Connection) -> None:
        found = await scheduled_state(connection)
        self._metrics.outbox_scheduled.set(found.rows)
        self._metrics.outbox_scheduled_overdue_seconds.set(found.overdue_seconds(self._clock.now()))

    async def _parked(self, connection: Connection) -> None:
        now = self._clock.now()
        found = await summary(connection)
        gauge, oldest = self._metrics.parked_messages, dict.fromkeys(self._consumers, 0.0)
        for consumer, reason in self._parked_shown - {(consumer, reason) for consumer, reason, _, _ in found}:
            gauge.remove(consumer, reason)
        for consumer, reason, messages, since in found:
            gauge.labels(consumer=consumer, reason=reason).set(messages)
            oldest[consumer] = max(oldest.get(consumer, 0.0), (now - since).total_seconds())
        for consumer, age in oldest.items():
            self._metrics.parked_oldest_age_seconds.labels(consumer=consumer).set(age)
        self._parked_shown = {(consumer, reason) for consumer, reason, _, _ in found}
