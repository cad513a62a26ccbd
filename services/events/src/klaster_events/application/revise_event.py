"""Another proposal for an event that is still a draft. The seats are locked first, because a capacity may change."""

from collections.abc import Callable
from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.event import Event
from klaster_events.domain.ids import EventId
from klaster_events.domain.proposal import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseEvent:
    """`change` makes the new proposal from the present one; what it raises is the caller's failure."""

    event: EventId
    change: Callable[[Proposal], Proposal]
    expected: int | None = None


async def revise_event(command: ReviseEvent, work: EventsWork) -> Event:
    seats = await work.seats.locked(command.event)
    event = await work.events.get(command.event, command.expected)
    event.revise(command.change(event.proposal), at=work.now)
    await work.events.save(event)
    if seats.capacity != event.proposal.capacity:
        seats.resize(event.proposal.capacity)
        await work.seats.save(seats)
    return event
