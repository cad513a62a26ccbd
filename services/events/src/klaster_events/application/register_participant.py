"""A person registers: a seat if one is free, else the end of the line. Decided under the lock of the event's seats."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.application.queries import RegistrationInLine
from klaster_events.domain.errors import AlreadyRegistered
from klaster_events.domain.ids import EventId, RegistrationId
from klaster_events.domain.registrant import Registrant
from klaster_events.domain.registration import Registration
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterParticipant:
    event: EventId
    registrant: Registrant


async def register_participant(command: RegisterParticipant, work: EventsWork) -> RegistrationInLine:
    """Raises EventNotOpen, and AlreadyRegistered for a second live registration of the address."""
    seats = await work.seats.locked(command.event)
    event = await work.events.get(command.event)
    event.require_open()
    if await work.registrations.is_registered(event.id, command.registrant.email):
        raise AlreadyRegistered(event.id)
    place = seats.take()
    registration = Registration.made(RegistrationId(new_id()), event.id, command.registrant, place, event.entry, at=work.now)
    await work.registrations.save(registration)
    await work.seats.save(seats)
    return RegistrationInLine(registration, place.position)
