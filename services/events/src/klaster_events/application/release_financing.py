"""Budget has given a cancelled event's money back to its lines."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.approval import Ignored
from klaster_events.domain.ids import ApprovalId, EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFinancing:
    event: EventId
    approval: ApprovalId


async def release_financing(command: ReleaseFinancing, work: EventsWork) -> Ignored | None:
    """Why the answer was passed over; None when it was applied."""
    approval = await work.approvals.find_locked(command.event)
    if approval is None:
        return Ignored.UNKNOWN_EVENT
    event = await work.events.get(command.event)
    if ignored := approval.ignores_release(command.approval, event):
        return ignored
    approval.release()
    await work.approvals.save(approval)
    return None
