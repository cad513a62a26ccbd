"""The clock of the approval saga: events that budget has not answered in time go back to draft.

The one rule: one approval, one transaction, and its row is locked before the event is read. A list of candidates is only a hint:
whether one is overdue is decided again under its lock, and a row that another replica holds is left to it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import structlog

from klaster_events.adapters.reading import Overdue, overdue_approvals
from klaster_events.adapters.work import EventsWork
from klaster_events.application.expire_approval import ExpireApproval, expire_approval
from klaster_shared.db.failures import is_connection_trouble
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.observability.failures import described
from klaster_shared.origin import Origin

ACTOR: Final = "approval-deadline"
POLL_SECONDS: Final = 1.0
ROWS: Final = 100

_log = structlog.get_logger(__name__)


class Deadlines:
    """A component of every service process; any number of them may run side by side."""

    def __init__(self, transactions: Transactions[EventsWork]) -> None:
        self._transactions = transactions
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=ACTOR)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def report(self) -> Mapping[str, Any]:
        return {"component": "deadlines", "ok": self._task is not None and not self._task.done() and self._trouble is None, "trouble": self._trouble}

    async def sweep(self) -> int:
        """Looks once; the number of events that went back to draft. One that fails does not keep the others waiting."""
        async with self._transactions.database.connect() as connection:
            candidates = await overdue_approvals(connection, self._transactions.clock.now(), rows=ROWS)
        expired, trouble = 0, None
        for candidate in candidates:
            try:
                expired += await self._expire(candidate)
            except Exception as failure:
                if is_connection_trouble(failure):
                    raise
                trouble = type(failure).__name__
                _log.error("approval could not expire", event_id=str(candidate.event), **described(failure))
        self._trouble = trouble
        return expired

    async def _expire(self, candidate: Overdue) -> bool:
        origin = Origin(actor=ACTOR, correlation_id=candidate.flow, causation_id=str(candidate.approval))
        async with self._transactions.begin(origin) as work:
            event = await expire_approval(ExpireApproval(event=candidate.event), work)
        if event is not None:
            _log.info("approval overdue; the event is a draft again", event_id=str(event.id))
        return event is not None

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as failure:  # noqa: BLE001 - whatever it is, deadlines must go on being looked at
                if self._trouble is None:
                    _log.warning("deadlines cannot be looked at; tried again every second", **described(failure))
                self._trouble = type(failure).__name__
            await asyncio.sleep(POLL_SECONDS)
