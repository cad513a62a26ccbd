"""An event has taken place. Seats are locked, so that a withdrawal comes before it or not at all; nothing is released."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.event import Event
from klaster_events.domain.ids import EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteEvent:
    event: EventId
    expected: int | None = None


async def complete_event(command: CompleteEvent, work: EventsWork) -> Event:
    await work.seats.locked(command.event)
    event = await work.events.get(command.event, command.expected)
    event.complete(at=work.now)
    await work.events.save(event)
    return event
