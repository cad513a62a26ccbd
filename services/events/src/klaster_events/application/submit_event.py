"""A draft goes to the office for approval; what became of an earlier attempt no longer counts."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.event import Event
from klaster_events.domain.ids import EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitEvent:
    event: EventId
    expected: int | None = None


async def submit_event(command: SubmitEvent, work: EventsWork) -> Event:
    approval = await work.approvals.locked(command.event)
    event = await work.events.get(command.event, command.expected)
    event.submit(at=work.now)
    approval.resubmitted()
    await work.events.save(event)
    await work.approvals.save(approval)
    return event
