"""Budget has not answered in time: the event goes back to draft, and an answer that still comes is late."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.event import Event
from klaster_events.domain.ids import EventId
from klaster_events.domain.refusals import OVERDUE


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireApproval:
    event: EventId


async def expire_approval(command: ExpireApproval, work: EventsWork) -> Event | None:
    """The event, or None when somebody else is at it or the answer has come after all."""
    approval = await work.approvals.locked_if_overdue(command.event, work.now)
    if approval is None or approval.consent is None:
        return None
    event = await work.events.get(command.event)
    event.return_to_draft(approval.consent.id, OVERDUE, at=work.now)
    approval.refuse(OVERDUE)
    await work.events.save(event)
    await work.approvals.save(approval)
    return event
