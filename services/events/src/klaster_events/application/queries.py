"""What can be asked of the events service without changing it. Lists are ordered by id and read in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from klaster_events.domain.approval import Approval
from klaster_events.domain.attempt import Attempt
from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.ids import EventId, RegistrationId
from klaster_events.domain.proposal import EventKind
from klaster_events.domain.registrant import RegistrationStatus
from klaster_events.domain.registration import Registration
from klaster_events.domain.seats import Seats
from klaster_shared.clock import Instant


@dataclass(frozen=True, slots=True)
class EventInFull:
    """An event with what is kept beside it."""

    event: Event
    approval: Approval
    seats: Seats


@dataclass(frozen=True, slots=True)
class RegistrationInLine:
    """`position`: 1 for the head of the waiting list, counted when it is read; None for whoever does not wait."""

    registration: Registration
    position: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAsked:
    """None asks for any. Events that start from `starts_from` on and before `starts_before`."""

    status: EventStatus | None = None
    kind: EventKind | None = None
    starts_from: Instant | None = None
    starts_before: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationsAsked:
    """Those for one event; None asks for any status."""

    event: EventId
    status: RegistrationStatus | None = None


class Agenda(Protocol):
    """One thing by its id raises NotFound. In lists `after` is the last id of the page before, `rows` the most that are given."""

    async def event(self, key: EventId) -> EventInFull: ...
    async def events(self, asked: EventsAsked, *, after: UUID | None, rows: int) -> Sequence[EventInFull]: ...
    async def attempts(self, event: EventId, *, after: UUID | None, rows: int) -> Sequence[Attempt]:
        """Oldest first. Raises NotFound when there is no such event."""

    async def registration(self, key: RegistrationId) -> RegistrationInLine: ...
    async def registrations(self, asked: RegistrationsAsked, *, after: UUID | None, rows: int) -> Sequence[RegistrationInLine]:
        """Raises NotFound when there is no such event."""
