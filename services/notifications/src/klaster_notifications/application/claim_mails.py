from collections.abc import Sequence
from dataclasses import dataclass

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.domain.dispatch import LEASE
from klaster_notifications.domain.ids import ClaimId
from klaster_notifications.domain.letters import OutgoingMail


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMails:
    claim: ClaimId
    most: int


async def claim_mails(command: ClaimMails, work: NotificationsWork) -> Sequence[OutgoingMail]:
    """Mails that are this sender's until `LEASE` is over; at most so many, none when nothing is due."""
    due = await work.dispatches.lock_due(work.now, command.most)
    return await work.dispatches.claim(due, command.claim, until=work.now + LEASE) if due else ()
