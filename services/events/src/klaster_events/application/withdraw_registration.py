"""A person withdraws; a seat that comes free goes to whoever has waited longest, in the same transaction."""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.ids import RegistrationId
from klaster_events.domain.registration import Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRegistration:
    registration: RegistrationId
    expected: int | None = None


async def withdraw_registration(command: WithdrawRegistration, work: EventsWork) -> Registration:
    """Raises WithdrawalClosed after completion or cancellation, RegistrationNotLive for a second withdrawal."""
    event_id = await work.registrations.event_of(command.registration)
    seats = await work.seats.locked(event_id)
    event = await work.events.get(event_id)
    registration = await work.registrations.get(command.registration, command.expected)
    event.require_withdrawals(registration.id)
    seats.leave(registration.withdraw(event.entry, at=work.now))
    await work.registrations.save(registration)
    if seats.owes_a_seat and (head := await work.registrations.head_of_line(event_id)):
        head.promote(event.entry, at=work.now)
        seats.promote()
        await work.registrations.save(head)
    await work.seats.save(seats)
    return registration
