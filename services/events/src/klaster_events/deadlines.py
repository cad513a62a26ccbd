"""Deadlines that nothing is scheduled for: those of approvals given by a release that looked at the clock itself.

The one rule: once, when a process starts, every open deadline without a scheduled message gets one. From then on the transaction
that sets a deadline schedules it, and nobody looks at the clock but the relay.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import structlog

from klaster_events.adapters.reading import unscheduled_deadlines
from klaster_events.adapters.work import EventsWork
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.lifecycle import Role
from klaster_shared.observability.failures import described
from klaster_shared.origin import Origin

ACTOR: Final = "approval-deadline"
RETRY_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class Deadlines:
    """A component of every service process; any number of them may start side by side."""

    role = Role.CONSUMERS

    def __init__(self, transactions: Transactions[EventsWork]) -> None:
        self._transactions = transactions
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = None
        self._done = False

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=ACTOR)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def report(self) -> Mapping[str, Any]:
        return {"component": "deadlines", "ok": self._done, "trouble": self._trouble}

    async def schedule(self) -> int:
        """How many deadlines had nothing scheduled."""
        async with self._transactions.begin(Origin(actor=ACTOR, correlation_id=ACTOR, causation_id=ACTOR)) as work:
            found = await unscheduled_deadlines(work.connection)
            for each in found:
                work.origin = Origin(actor=ACTOR, correlation_id=each.consent.flow, causation_id=str(each.consent.id))
                work.approvals.schedule_deadline(each.event, each.consent)
        return len(found)

    async def _run(self) -> None:
        while not self._done:
            try:
                scheduled = await self.schedule()
            except Exception as failure:  # noqa: BLE001 - whatever it is, no deadline may be left out
                if self._trouble is None:
                    _log.warning("open deadlines cannot be scheduled; tried again every second", **described(failure))
                self._trouble = type(failure).__name__
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._done, self._trouble = True, None
                if scheduled:
                    _log.info("open deadlines had nothing scheduled; they have now", approvals=scheduled)
