"""Budget has not answered in time: the event goes back to draft, and an answer that still comes is late.

That the time is over is what the message says, whatever this process's clock shows; whether somebody still waits is read under
the lock.
"""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.approval import Ignored
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.refusals import OVERDUE


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireApproval:
    event: EventId
    approval: ApprovalId


async def expire_approval(command: ExpireApproval, work: EventsWork) -> Ignored | None:
    """Why the deadline was passed over; None when the event is a draft again."""
    approval = await work.approvals.find_locked(command.event)
    if approval is None:
        return Ignored.UNKNOWN_EVENT
    if ignored := approval.ignores_deadline(command.approval):
        return ignored
    event = await work.events.get(command.event)
    event.return_to_draft(command.approval, OVERDUE, at=work.now)
    approval.refuse(OVERDUE)
    await work.events.save(event)
    await work.approvals.save(approval)
    if attempt := await work.attempts.find(command.approval):
        attempt.lapse(at=work.now)
        await work.attempts.save(attempt)
    return None
