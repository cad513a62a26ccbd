"""A new event, with the two rows that are locked instead of it: its approval and its seats."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.approval import Approval
from klaster_events.domain.event import Event
from klaster_events.domain.ids import EventId
from klaster_events.domain.proposal import Proposal
from klaster_events.domain.seats import Seats
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftEvent:
    proposal: Proposal


async def draft_event(command: DraftEvent, work: EventsWork) -> Event:
    event = Event.drafted(EventId(new_id()), command.proposal, by=work.actor, at=work.now)
    await work.events.save(event)
    await work.approvals.add(Approval(event=event.id))
    await work.seats.add(Seats(event=event.id, capacity=event.proposal.capacity))
    return event
