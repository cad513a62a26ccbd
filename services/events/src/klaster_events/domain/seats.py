"""How many seats of an event are taken, and how many people wait for one.

The one rule: whoever comes is confirmed while a seat is free and waits otherwise; a seat that comes free goes to the head of the
line in the same transaction. So nobody waits beside a free seat, and nobody who comes later can be first.
"""

from dataclasses import dataclass

from klaster_events.domain.ids import EventId
from klaster_events.domain.registrant import RegistrationStatus


@dataclass(frozen=True, slots=True)
class Place:
    """What a newcomer gets. `number` counts all who ever came and is the order of the line; `position` in it is 1 for the head, None
    for whoever has a seat.
    """

    number: int
    position: int | None

    @property
    def status(self) -> RegistrationStatus:
        return RegistrationStatus.CONFIRMED if self.position is None else RegistrationStatus.WAITLISTED


@dataclass(slots=True, kw_only=True)
class Seats:
    """One per event, changed only under its row lock, which is taken before anything that decides about a seat is read."""

    event: EventId
    capacity: int
    confirmed: int = 0
    waiting: int = 0
    last_number: int = 0

    def take(self) -> Place:
        self.last_number += 1
        if self.confirmed < self.capacity:
            self.confirmed += 1
            return Place(self.last_number, None)
        self.waiting += 1
        return Place(self.last_number, self.waiting)

    def leave(self, status: RegistrationStatus) -> None:
        """Somebody who was `confirmed` or `waitlisted` goes."""
        if status is RegistrationStatus.CONFIRMED:
            self.confirmed -= 1
        else:
            self.waiting -= 1

    @property
    def owes_a_seat(self) -> bool:
        """A seat is free and somebody waits for it."""
        return self.waiting > 0 and self.confirmed < self.capacity

    def promote(self) -> None:
        """The head of the line takes a seat."""
        self.waiting -= 1
        self.confirmed += 1

    def resize(self, capacity: int) -> None:
        """Only a draft's capacity changes, and a draft has no registrations."""
        self.capacity = capacity

    def clear(self) -> None:
        """The event is cancelled: all seats and the line are given up."""
        self.confirmed = self.waiting = 0
