"""An event will not take place: nobody waits for its money any longer, and everybody who registered is told.

Each live registration is cancelled as itself, so no reader has to guess an audience.
"""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.event import Event
from klaster_events.domain.ids import EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelEvent:
    event: EventId
    reason: str
    expected: int | None = None


async def cancel_event(command: CancelEvent, work: EventsWork) -> Event:
    approval = await work.approvals.locked(command.event)
    seats = await work.seats.locked(command.event)
    event = await work.events.get(command.event, command.expected)
    event.cancel(command.reason, at=work.now)
    await work.events.save(event)
    if (waiting := approval.waits_for) and (attempt := await work.attempts.find(waiting.id)):
        attempt.cancel(at=work.now)
        await work.attempts.save(attempt)
    approval.close()
    await work.approvals.save(approval)
    registrations = await work.registrations.live(event.id)
    for registration in registrations:
        registration.cancel(event.entry, command.reason, at=work.now)
    await work.registrations.save_all(registrations)
    seats.clear()
    await work.seats.save(seats)
    return event
