"""Budget has refused an approval's costs. The event goes back to draft with the reason; a cancelled one stays cancelled."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.approval import Ignored
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.refusals import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseFinancing:
    event: EventId
    approval: ApprovalId
    refusal: Refusal


async def refuse_financing(command: RefuseFinancing, work: EventsWork) -> Ignored | None:
    """Why the answer was passed over; None when it was applied."""
    approval = await work.approvals.find_locked(command.event)
    if approval is None:
        return Ignored.UNKNOWN_EVENT
    event = await work.events.get(command.event)
    if ignored := approval.ignores_decision(command.approval, event):
        return ignored
    approval.refuse(command.refusal)
    await work.approvals.save(approval)
    if event.status is EventStatus.APPROVED:
        event.return_to_draft(command.approval, command.refusal, at=work.now)
        await work.events.save(event)
    if attempt := await work.attempts.find(command.approval):
        attempt.refuse(command.refusal, at=work.now)
        await work.attempts.save(attempt)
    return None
