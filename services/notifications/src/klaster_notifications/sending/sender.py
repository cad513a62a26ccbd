"""Carries queued deliveries to the mail server: a component of every service process, beside the consumers and never inside them.

The one rule: sending waits for nobody and nobody waits for it. A mail server that is away stops the sender alone; deliveries pile up
as rows, and consumers, API and relay go on.

What is promised: every queued mail is sent at least once, and more than once only if a process dies, or loses its database, between
the server's "250" and the commit that records it, or if a dialogue outlives its lease. All copies have one Message-ID.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final

import structlog

from klaster_notifications.adapters.work import NotificationsWork
from klaster_notifications.application.claim_mails import ClaimMails, claim_mails
from klaster_notifications.application.ports import MailServer, MailServerAway
from klaster_notifications.domain.dispatch import LEASE
from klaster_notifications.domain.ids import ClaimId
from klaster_notifications.metrics import NotificationsMetrics
from klaster_notifications.sending.batch import ACTOR, DEFECT, Batch, Claim, ResultNotKept
from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.ids import new_id
from klaster_shared.lifecycle import WORK_SECONDS, Role
from klaster_shared.observability.failures import described
from klaster_shared.origin import Origin

BATCH_MAILS: Final = 20
POLL_SECONDS: Final = 1.0
STOP_SECONDS: Final = WORK_SECONDS - 1.0
"""Then the mails that are on their way are given up, and the others back."""
_AWAY_PAUSES: Final = (1.0, 60.0)

log = structlog.get_logger(__name__)


class Sender:
    """Several replicas may run: claimed rows are skipped by the others."""

    name = "sender"
    role = Role.SENDER

    def __init__(
        self,
        transactions: Transactions[NotificationsWork],
        server: MailServer,
        metrics: NotificationsMetrics,
        *,
        connections: int,
        most_attempts: int,
    ) -> None:
        """At most `connections` to the mail server at a time. `most_attempts`: after so many deferrals a mail has failed."""
        self._transactions = transactions
        self._server = server
        self._metrics = metrics
        self._connections = connections
        self._most_attempts = most_attempts
        self._awake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()
        self._away: str | None = None
        self._blind: str | None = None
        self._pause_seconds = _AWAY_PAUSES[0]
        self._halted = False

    def wake(self) -> None:
        """Called after a commit that may have queued a delivery."""
        self._awake.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="sender")

    async def stop(self) -> None:
        """Finishes the mails in hand, as far as that goes quickly, and gives the others back."""
        self._stopping.set()
        self._awake.set()
        tasks = {task for task in (self._task, *self._batches) if task is not None}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._task = None

    def report(self) -> dict[str, Any]:
        trouble = "a result could not be kept; restart when the cause is mended" if self._halted else self._away or self._blind
        return {"component": self.name, "ok": trouble is None, "batches": len(self._batches), "trouble": trouble}

    async def _run(self) -> None:
        while not self._stopping.is_set() and not self._halted:
            try:
                await self._send_what_is_due()
            except Exception as error:  # noqa: BLE001 - whatever it is, the queue must go on being looked at
                if self._blind != type(error).__name__:
                    log.warning("the sender cannot read its queue; it tries again every second", **described(error))
                self._blind = type(error).__name__
                await self._pause(POLL_SECONDS)
            else:
                self._blind = None

    async def _send_what_is_due(self) -> None:
        """One claim. While the server is away a single mail finds out whether it is back."""
        self._awake.clear()
        claim = await self._claim(1 if self._away else BATCH_MAILS)
        if not claim.mails:
            await self._idle()
            return
        self._begin(claim)
        if self._away:
            await asyncio.wait(self._batches)
        elif len(self._batches) >= self._connections:
            await asyncio.wait(self._batches, return_when=asyncio.FIRST_COMPLETED)
        if self._away:
            await self._pause(self._pause_seconds)
            self._pause_seconds = min(self._pause_seconds * 2, _AWAY_PAUSES[1])

    async def _claim(self, most: int) -> Claim:
        until = time.monotonic() + LEASE.total_seconds()
        claim = ClaimId(new_id())
        async with self._transactions.begin(Origin(actor=ACTOR, correlation_id="", causation_id="")) as work:
            mails = await claim_mails(ClaimMails(claim=claim, most=most), work)
        if mails:
            reached(CrashPoint.AFTER_CLAIM_COMMIT)
        return Claim(id=claim, mails=mails, until=until)

    def _begin(self, claim: Claim) -> None:
        batch = Batch(claim, self._server, self._transactions, self._metrics, most_attempts=self._most_attempts, stopping=self._stopping)
        task = asyncio.create_task(self._finish(batch), name="mails")
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _finish(self, batch: Batch) -> None:
        try:
            await batch.run()
        except MailServerAway as away:
            self._is_away(away)
        except ResultNotKept as error:
            self._halt(error)
        except Exception as error:  # noqa: BLE001 - whatever it is: the claim runs out, and until then there is a pause
            log.error("a batch of mails ended early", **described(error))
            self._is_away(MailServerAway(DEFECT))
        else:
            self._is_back()

    def _is_away(self, away: MailServerAway) -> None:
        if self._away != away.failure:
            log.warning("the mail server takes no mail; the sender tries again", failure=away.failure)
        self._away = away.failure
        self._metrics.server_away(away.failure)

    def _is_back(self) -> None:
        if self._away is not None:
            log.info("the mail server takes mail again")
        self._away = None
        self._pause_seconds = _AWAY_PAUSES[0]
        self._metrics.server_back()

    def _halt(self, error: Exception) -> None:
        """The next lease would send the same mail again, and so on for ever: better no mail than that."""
        self._halted = True
        self._awake.set()
        log.error("the sender stops: what became of a mail could not be written down", **described(error))

    async def _idle(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), POLL_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
