from collections.abc import Sequence
from dataclasses import dataclass

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.domain.ids import ClaimId, DeliveryId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMails:
    claim: ClaimId
    deliveries: Sequence[DeliveryId]


async def release_mails(command: ReleaseMails, work: NotificationsWork) -> None:
    """Gives back mails that were claimed and not tried: they are due at once, for any sender."""
    await work.dispatches.release(command.deliveries, command.claim, due_at=work.now)
