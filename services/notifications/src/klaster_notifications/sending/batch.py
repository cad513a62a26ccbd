"""The mails of one claim, sent one after the other, each result written down before the next mail begins.

The one rule: between the mail server's "250" and the commit that records it lies as little as possible: no other mail, no other
work. What is lost in that window is sent again when the lease is over, under the same Message-ID.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from klaster_notifications.adapters.work import NotificationsWork
from klaster_notifications.application.ports import MailLine, MailServer, MailServerAway
from klaster_notifications.application.release_mails import ReleaseMails, release_mails
from klaster_notifications.application.settle_delivery import SettleDelivery, settle_delivery
from klaster_notifications.domain.dispatch import LONGEST_DIALOGUE, Answer, Verdict
from klaster_notifications.domain.ids import ClaimId
from klaster_notifications.domain.letters import OutgoingMail
from klaster_notifications.metrics import NotificationsMetrics
from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.db.failures import is_transient
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.observability.failures import described
from klaster_shared.origin import Origin

ACTOR: Final = "notifications.sender"
DEFECT: Final = "error"
"""The failure of an attempt that our own code could not finish."""

_SETTLE_PAUSES: Final = (0.1, 1.0)

log = structlog.get_logger(__name__)


class ResultNotKept(Exception):
    """A mail was offered and its result is lost. Whoever cannot keep results must not send: the next lease would send it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Mails that are ours until `until`, on this process's monotonic clock."""

    id: ClaimId
    mails: Sequence[OutgoingMail]
    until: float


class Batch:
    def __init__(
        self,
        claim: Claim,
        server: MailServer,
        transactions: Transactions[NotificationsWork],
        metrics: NotificationsMetrics,
        *,
        most_attempts: int,
        stopping: asyncio.Event,
    ) -> None:
        self._claim = claim
        self._left = deque(claim.mails)
        self._server = server
        self._transactions = transactions
        self._metrics = metrics
        self._most_attempts = most_attempts
        self._stopping = stopping
        self._is_offering = False

    async def run(self) -> None:
        """Sends over one connection, or over a further one when the server hangs up. Gives back what it does not come to.

        Raises:
            MailServerAway: the server takes no mail from us; what was not sent has been given back.
            ResultNotKept: what became of a mail could not be written down, for a reason that does not pass by itself.
        """
        try:
            while self._may_go_on():
                async with self._server.connect() as line:
                    while self._may_go_on() and line.is_open:
                        await self._offer(line)
        except MailServerAway:
            await self._give_back()
            raise
        except asyncio.CancelledError:
            if self._is_offering:  # it may have left: it stays claimed until the lease is over
                self._left.popleft()
            await self._give_back()
            raise
        await self._give_back()

    async def _offer(self, line: MailLine) -> None:
        self._is_offering = True
        await self._settle(self._left[0], await self._attempt(line, self._left[0]))
        self._is_offering = False
        self._left.popleft()

    def _may_go_on(self) -> bool:
        in_time = time.monotonic() + LONGEST_DIALOGUE.total_seconds() < self._claim.until
        return bool(self._left) and in_time and not self._stopping.is_set()

    async def _attempt(self, line: MailLine, mail: OutgoingMail) -> Answer:
        with self._metrics.send_seconds.time():
            try:
                async with asyncio.timeout(LONGEST_DIALOGUE.total_seconds()):
                    answer = await line.send(mail)
            except MailServerAway:
                raise
            except TimeoutError:
                answer = Answer(Verdict.DEFERRED, "timeout")
            except Exception as error:  # noqa: BLE001 - a mail that we cannot even send must not hold up the others; its attempts are counted
                log.error("a mail could not be sent", delivery=str(mail.delivery), **described(error))
                answer = Answer(Verdict.DEFERRED, DEFECT)
        if answer.verdict is Verdict.ACCEPTED:
            reached(CrashPoint.AFTER_SMTP_ANSWER)
        self._metrics.answered(answer)
        return answer

    async def _settle(self, mail: OutgoingMail, answer: Answer) -> None:
        """Tries for as long as the database is away: the mail has left, and nobody can claim it again before the database is back."""
        command = SettleDelivery(delivery=mail.delivery, claim=self._claim.id, answer=answer, most=self._most_attempts)
        pause, longest = _SETTLE_PAUSES
        while True:
            try:
                async with self._transactions.begin(Origin(actor=ACTOR, correlation_id=mail.flow, causation_id=str(mail.cause))) as work:
                    status = await settle_delivery(command, work)
            except Exception as error:
                if not is_transient(error):
                    raise ResultNotKept from error
                log.warning("a mail's result waits to be written down", delivery=str(mail.delivery), **described(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
            else:
                log.info("mail attempted", delivery=str(mail.delivery), verdict=answer.verdict, failure=answer.failure, status=status)
                return

    async def _give_back(self) -> None:
        if not self._left:
            return
        command = ReleaseMails(claim=self._claim.id, deliveries=[mail.delivery for mail in self._left])
        async with self._transactions.begin(Origin(actor=ACTOR, correlation_id="", causation_id="")) as work:
            await release_mails(command, work)
