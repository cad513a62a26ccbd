"""How a message becomes a cause: its envelope says which and when, its body is all that a template is told."""

from typing import Protocol

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.domain.audiences import Cause
from klaster_notifications.domain.ids import CauseId
from klaster_shared.clock import Instant
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.envelope import Envelope


class HeardWork(NotificationsWork, Protocol):
    """A transaction in which a message is being handled."""

    @property
    def incoming(self) -> Envelope: ...


def cause_of(message: Message, envelope: Envelope) -> Cause:
    return Cause(
        id=CauseId(envelope.inbox_id),
        type=envelope.type,
        happened_at=envelope.time,
        recorded_at=recorded_at(envelope),
        particulars=message.model_dump(mode="json"),
    )


def recorded_at(envelope: Envelope) -> Instant:
    """Our own services always say it; for others the time of the happening has to do."""
    return envelope.recorded_time or envelope.time
