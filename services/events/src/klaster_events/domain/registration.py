"""One person's registration for one event: a seat, or a place in the line for one.

The one rule: `number` never changes, not even when a seat is given, so the order in which people came can always be shown.
"""

from dataclasses import dataclass

from klaster_events.domain.errors import RegistrationNotLive
from klaster_events.domain.facts import (
    RegistrationWasCancelled,
    RegistrationWasConfirmed,
    RegistrationWasWithdrawn,
    WaitlistWasJoined,
)
from klaster_events.domain.ids import EventId, RegistrationId
from klaster_events.domain.registrant import LIVE, CalendarEntry, Registrant, RegistrationStatus
from klaster_events.domain.seats import Place
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant


@dataclass(slots=True, kw_only=True)
class Registration(Aggregate):
    id: RegistrationId
    event: EventId
    registrant: Registrant
    status: RegistrationStatus
    number: int
    registered_at: Instant
    changed_at: Instant

    @classmethod
    def made(cls, id: RegistrationId, event: EventId, registrant: Registrant, place: Place, entry: CalendarEntry, *, at: Instant) -> "Registration":  # noqa: A002
        registration = cls(id=id, event=event, registrant=registrant, status=place.status, number=place.number, registered_at=at, changed_at=at)
        if place.position is None:
            registration._record_confirmed(entry, from_waitlist=False, at=at)
        else:
            joined = WaitlistWasJoined(registration=id, event=event, registrant=registrant, entry=entry, position=place.position, at=at)
            registration.facts.append(joined)
        return registration

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    def promote(self, entry: CalendarEntry, *, at: Instant) -> None:
        """From the head of the line to a seat. The caller has chosen the head; a confirmed one is nobody's head."""
        self._end_or_move(RegistrationStatus.CONFIRMED, at=at)
        self._record_confirmed(entry, from_waitlist=True, at=at)

    def withdraw(self, entry: CalendarEntry, *, at: Instant) -> RegistrationStatus:
        """What the registration was until now. Raises RegistrationNotLive when it has ended already."""
        was = self._end_or_move(RegistrationStatus.WITHDRAWN, at=at)
        self.facts.append(RegistrationWasWithdrawn(registration=self.id, event=self.event, registrant=self.registrant, entry=entry, at=at))
        return was

    def cancel(self, entry: CalendarEntry, reason: str, *, at: Instant) -> None:
        """The event is not going to take place. Raises RegistrationNotLive when the registration has ended already."""
        was = self._end_or_move(RegistrationStatus.CANCELLED, at=at)
        self.facts.append(
            RegistrationWasCancelled(registration=self.id, event=self.event, registrant=self.registrant, entry=entry, was=was, reason=reason, at=at)
        )

    def _end_or_move(self, to: RegistrationStatus, *, at: Instant) -> RegistrationStatus:
        was = self.status
        if was not in LIVE:
            raise RegistrationNotLive(self.id, was)
        self.status, self.changed_at = to, at
        return was

    def _record_confirmed(self, entry: CalendarEntry, *, from_waitlist: bool, at: Instant) -> None:
        self.facts.append(
            RegistrationWasConfirmed(
                registration=self.id, event=self.event, registrant=self.registrant, entry=entry, from_waitlist=from_waitlist, at=at
            )
        )
