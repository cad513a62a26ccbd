"""One vocabulary for every test that needs events: builders of aggregates, and a work without a database.

The fakes keep copies, so that a use case which forgets to save is found out; versions are checked as the database checks them.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from klaster_events.application.queries import EventInFull, EventsAsked, RegistrationInLine, RegistrationsAsked
from klaster_events.domain.approval import Approval
from klaster_events.domain.countries import country
from klaster_events.domain.errors import AlreadyRegistered
from klaster_events.domain.event import Event
from klaster_events.domain.ids import ApprovalId, EventId, GrantId, OrganisationId, RegistrationId
from klaster_events.domain.proposal import Cost, EventKind, Proposal, Title
from klaster_events.domain.refusals import Reason, Refusal
from klaster_events.domain.registrant import EmailAddress, Locale, Registrant, RegistrationStatus, email_address
from klaster_events.domain.registration import Registration
from klaster_events.domain.schedule import Schedule
from klaster_events.domain.seats import Seats
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant
from klaster_shared.errors import NotFound, StaleVersion
from klaster_shared.ids import new_id
from klaster_shared.money import Money
from klaster_shared.origin import Origin

NOON = datetime(2011, 4, 4, 12, tzinfo=UTC)
OFFICE = "office"
FLOW = "flow-of-the-test"
PATIENCE = timedelta(minutes=5)
SHORT = Refusal(reason=Reason.INSUFFICIENT, line_code="2.1", short_by=Money(Decimal(100), "PLN"))


def a_schedule(starts_at: datetime = datetime(2011, 9, 12, 7, tzinfo=UTC), *, hours: int = 8, time_zone: str = "Europe/Warsaw") -> Schedule:
    return Schedule(starts_at=starts_at, ends_at=starts_at + timedelta(hours=hours), time_zone=time_zone)


def a_cost(line_code: str = "2.1", amount: str = "1200.00", currency: str = "PLN") -> Cost:
    return Cost(line_code, Money.parse(amount, currency))


def a_proposal(*costs: Cost, capacity: int = 20, schedule: Schedule | None = None, kind: EventKind = EventKind.WORKSHOP) -> Proposal:
    return Proposal(
        title=Title(pl="Warsztat ekspercki", en="Expert workshop"),
        kind=kind,
        public=True,
        host=OrganisationId(new_id()),
        place="Kraków, ul. Bobrzyńskiego 14",
        country=country("PL"),
        schedule=schedule or a_schedule(),
        capacity=capacity,
        grant=GrantId(new_id()) if costs else None,
        costs=costs,
    )


def a_registrant(email: str = "zin-member-01@example.org", *, name: str = "ZIN member 01", locale: Locale = Locale.PL) -> Registrant:
    return Registrant(name=name, email=email_address(email), locale=locale)


def an_approval_id() -> ApprovalId:
    return ApprovalId(new_id())


@dataclass(slots=True)
class EventBuilder:
    """`an_event().submitted().approved().build()`; the facts of its making are left out, so a test sees only its own."""

    event: Event

    def submitted(self) -> Self:
        self.event.submit(at=NOON)
        return self

    def approved(self, approval: ApprovalId | None = None) -> Self:
        self.submitted()
        deadline = NOON + PATIENCE if self.event.proposal.needs_money else None
        self.event.approve(approval or an_approval_id(), deadline=deadline, at=NOON)
        return self

    def published(self) -> Self:
        self.approved()
        self.event.publish(at=NOON)
        return self

    def completed(self) -> Self:
        self.published()
        self.event.complete(at=NOON)
        return self

    def cancelled(self) -> Self:
        self.event.cancel("The speaker is ill.", at=NOON)
        return self

    def build(self) -> Event:
        self.event.stored()
        return self.event


def an_event(*costs: Cost, capacity: int = 20) -> EventBuilder:
    return EventBuilder(Event.drafted(EventId(new_id()), a_proposal(*costs, capacity=capacity), by=OFFICE, at=NOON))


@dataclass(slots=True)
class _Kept[A: Aggregate]:
    """Aggregates by id, as stored; `facts` of all of them in the order of storing."""

    what: str
    rows: dict[UUID, A] = field(default_factory=dict)
    facts: list[Any] = field(default_factory=list)

    def load(self, identifier: UUID, expected: int | None = None) -> A:
        found = self.rows.get(identifier)
        if found is None:
            raise NotFound(self.what, identifier)
        if expected is not None and found.version != expected:
            raise StaleVersion(self.what, identifier, expected=expected, found=found.version)
        return deepcopy(found)

    def store(self, identifier: UUID, aggregate: A) -> None:
        if not aggregate.facts:
            return
        stored = self.rows.get(identifier)
        if (stored.version if stored else 0) != aggregate.version:
            raise StaleVersion(self.what, identifier, expected=aggregate.version)
        self.facts.extend(aggregate.stored())
        self.rows[identifier] = deepcopy(aggregate)


class InMemoryEvents:
    def __init__(self) -> None:
        self.kept: _Kept[Event] = _Kept("event")

    async def get(self, event: EventId, expected: int | None = None) -> Event:
        return self.kept.load(event, expected)

    async def save(self, event: Event) -> None:
        self.kept.store(event.id, event)


class InMemoryApprovals:
    def __init__(self) -> None:
        self.rows: dict[EventId, Approval] = {}

    async def add(self, approval: Approval) -> None:
        self.rows[approval.event] = deepcopy(approval)

    async def locked(self, event: EventId) -> Approval:
        if (found := await self.find_locked(event)) is None:
            raise NotFound("event", event)
        return found

    async def find_locked(self, event: EventId) -> Approval | None:
        return deepcopy(self.rows.get(event))

    async def locked_if_overdue(self, event: EventId, now: Instant) -> Approval | None:
        found = await self.find_locked(event)
        return found if found is not None and found.is_overdue(now) else None

    async def save(self, approval: Approval) -> None:
        self.rows[approval.event] = deepcopy(approval)


class InMemorySeats:
    def __init__(self) -> None:
        self.rows: dict[EventId, Seats] = {}

    async def add(self, seats: Seats) -> None:
        self.rows[seats.event] = deepcopy(seats)

    async def locked(self, event: EventId) -> Seats:
        if event not in self.rows:
            raise NotFound("event", event)
        return deepcopy(self.rows[event])

    async def save(self, seats: Seats) -> None:
        self.rows[seats.event] = deepcopy(seats)


class InMemoryRegistrations:
    def __init__(self) -> None:
        self.kept: _Kept[Registration] = _Kept("registration")

    async def get(self, registration: RegistrationId, expected: int | None = None) -> Registration:
        return self.kept.load(registration, expected)

    async def event_of(self, registration: RegistrationId) -> EventId:
        return self.kept.load(registration).event

    async def is_registered(self, event: EventId, email: EmailAddress) -> bool:
        return any(live.registrant.email == email for live in await self.live(event))

    async def head_of_line(self, event: EventId) -> Registration | None:
        waiting = [live for live in await self.live(event) if live.status is RegistrationStatus.WAITLISTED]
        return waiting[0] if waiting else None

    async def live(self, event: EventId) -> Sequence[Registration]:
        of_event = [deepcopy(kept) for kept in self.kept.rows.values() if kept.event == event and kept.is_live]
        return sorted(of_event, key=lambda registration: registration.number)

    async def save(self, registration: Registration) -> None:
        if registration.version == 0 and await self.is_registered(registration.event, registration.registrant.email):
            raise AlreadyRegistered(registration.event)
        self.kept.store(registration.id, registration)

    async def save_all(self, registrations: Sequence[Registration]) -> None:
        for registration in registrations:
            self.kept.store(registration.id, registration)


class InMemoryAgenda:
    def __init__(self, work: "InMemoryWork") -> None:
        self._work = work

    async def event(self, key: EventId) -> EventInFull:
        return EventInFull(await self._work.events.get(key), await self._work.approvals.locked(key), await self._work.seats.locked(key))

    async def events(self, asked: EventsAsked, *, after: UUID | None, rows: int) -> Sequence[EventInFull]:
        found = [await self.event(EventId(key)) for key in sorted(self._work.events.kept.rows) if after is None or key > after]
        return [each for each in found if _is_asked_for(each.event, asked)][:rows]

    async def registration(self, key: RegistrationId) -> RegistrationInLine:
        registration = await self._work.registrations.get(key)
        line = [live.id for live in await self._work.registrations.live(registration.event) if live.status is RegistrationStatus.WAITLISTED]
        return RegistrationInLine(registration, line.index(key) + 1 if key in line else None)

    async def registrations(self, asked: RegistrationsAsked, *, after: UUID | None, rows: int) -> Sequence[RegistrationInLine]:
        await self._work.events.get(asked.event)
        keys = sorted(key for key, kept in self._work.registrations.kept.rows.items() if kept.event == asked.event)
        found = [await self.registration(RegistrationId(key)) for key in keys if after is None or key > after]
        return [each for each in found if asked.status in {None, each.registration.status}][:rows]


def _is_asked_for(event: Event, asked: EventsAsked) -> bool:
    starts_at = event.proposal.schedule.starts_at
    return (
        asked.status in {None, event.status}
        and asked.kind in {None, event.proposal.kind}
        and (asked.starts_from is None or starts_at >= asked.starts_from)
        and (asked.starts_before is None or starts_at < asked.starts_before)
    )


class InMemoryWork:
    """The port `EventsWork` in memory. `now` may be set by the test."""

    def __init__(self, *, now: Instant = NOON, actor: str = OFFICE) -> None:
        self.now = now
        self.actor = actor
        self.origin = Origin(actor=actor, correlation_id=FLOW, causation_id="command")
        self.agenda = InMemoryAgenda(self)
        self.events = InMemoryEvents()
        self.approvals = InMemoryApprovals()
        self.seats = InMemorySeats()
        self.registrations = InMemoryRegistrations()
