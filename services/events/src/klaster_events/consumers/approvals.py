"""The deadlines that this service has set itself: each comes back as a message when it has passed."""

from klaster_events.application.expire_approval import ExpireApproval, expire_approval
from klaster_events.application.ports import EventsWork
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_shared.consuming.handling import Skipped, handlers
from klaster_shared.contracts.events import ApprovalFellDue


async def return_to_draft_when_due(message: ApprovalFellDue, work: EventsWork) -> Skipped | None:
    command = ExpireApproval(event=EventId(message.event_id), approval=ApprovalId(message.approval_id))
    ignored = await expire_approval(command, work)
    return None if ignored is None else Skipped(ignored.value)


HANDLERS = handlers(ApprovalFellDue=return_to_draft_when_due)
