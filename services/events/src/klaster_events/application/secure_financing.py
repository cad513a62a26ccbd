"""Budget has reserved all costs of an approval. The event may be published; if it is cancelled already, only its financing changes."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.approval import Ignored
from klaster_events.domain.ids import ApprovalId, EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureFinancing:
    event: EventId
    approval: ApprovalId


async def secure_financing(command: SecureFinancing, work: EventsWork) -> Ignored | None:
    """Why the answer was passed over; None when it was applied."""
    approval = await work.approvals.find_locked(command.event)
    if approval is None:
        return Ignored.UNKNOWN_EVENT
    event = await work.events.get(command.event)
    if ignored := approval.ignores_decision(command.approval, event):
        return ignored
    approval.secure()
    await work.approvals.save(approval)
    if attempt := await work.attempts.find(command.approval):
        attempt.secure(at=work.now)
        await work.attempts.save(attempt)
    return None
