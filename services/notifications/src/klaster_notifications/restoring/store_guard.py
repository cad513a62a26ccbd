"""Keeps the service from working in a store that was lost: it would take everything for new, and write to everybody once more.

The one rule: an empty store is believed only when the topic of deliveries is empty, too. Otherwise nothing else starts until
`klaster-notifications restore` has filled it; then the service goes on by itself.
"""

import asyncio
from typing import Any, Final, Protocol

import structlog

from klaster_notifications.restoring.restore import is_empty
from klaster_shared.consuming.log_spans import LogAway, LogEdges
from klaster_shared.contracts import topics
from klaster_shared.db.engine import Database
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.errors import NotFound

AGAIN_SECONDS: Final = 2.0
LOST: Final = "the store is empty and the log holds deliveries: run `klaster-notifications restore`; see the runbook StoreLost"
log = structlog.get_logger(__name__)


class Lamp(Protocol):
    """Shows whether the store is lost."""

    def set(self, value: float, /) -> None: ...


class StoreGuard:
    """The first component: the others start when it has made sure. A store in use is believed without a look at the log."""

    role = None

    def __init__(self, database: Database, edges: LogEdges, lost: Lamp) -> None:
        self._database = database
        self._edges = edges
        self._lost = lost
        self._trouble: str | None = "not asked yet"

    async def start(self) -> None:
        """Returns soon, but for an empty store: then when the broker has said that it may be, or when it is empty no more."""
        while (trouble := await self._look()) is not None:
            if trouble != self._trouble:
                log.error(trouble)
            self._trouble = trouble
            self._lost.set(trouble is LOST)
            await asyncio.sleep(AGAIN_SECONDS)
        self._trouble = None
        self._lost.set(0)

    async def stop(self) -> None:
        """Nothing is held; a start that still waits is cancelled by whoever began it."""

    def report(self) -> dict[str, Any]:
        return {"component": "store guard", "ok": self._trouble is None, "trouble": self._trouble}

    async def _look(self) -> str | None:
        try:
            async with self._database.connect() as connection:
                empty = await is_empty(connection)
            return LOST if empty and await self._log_holds_deliveries() else None
        except DATABASE_FAILURES as error:  # LogAway is one of them: unavailable
            away = "Kafka" if isinstance(error, LogAway) else "the database"
            return f"{away} does not answer; whether the store was lost is not known yet"

    async def _log_holds_deliveries(self) -> bool:
        try:
            partitions = await self._edges.partitions([topics.NOTIFICATIONS_DELIVERY])
        except NotFound:
            return False
        return any((await self._edges.ends(partitions)).values())
