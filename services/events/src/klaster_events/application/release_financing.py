"""Budget has given money back to its lines: a cancelled event's, or what it had reserved for an approval that was over by then."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.approval import Ignored
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.proposal import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFinancing:
    """`lines`: what was given back."""

    event: EventId
    approval: ApprovalId
    lines: tuple[Cost, ...]


async def release_financing(command: ReleaseFinancing, work: EventsWork) -> Ignored | None:
    """Why the answer was passed over; None when it was noted on its attempt, or counted for the financing, or both."""
    approval = await work.approvals.find_locked(command.event)
    if approval is None:
        return Ignored.UNKNOWN_EVENT
    event = await work.events.get(command.event)
    counts = approval.counts_release(command.approval, event)
    if counts:
        approval.release()
        await work.approvals.save(approval)
    if attempt := await work.attempts.find(command.approval):
        attempt.compensate(command.lines, at=work.now)
        await work.attempts.save(attempt)
    return None if counts or attempt else Ignored.UNKNOWN_APPROVAL
