"""One vocabulary for every test that needs events: builders of aggregates, a work without a database, and commands on one.

The fakes keep copies, so that a use case which forgets to save is found out; versions are checked as the database checks them.
"""

from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

import orjson

from klaster_events.adapters.publishing import fell_due_message
from klaster_events.adapters.work import EventsWork
from klaster_events.application.approve_event import ApproveEvent, approve_event
from klaster_events.application.cancel_event import CancelEvent, cancel_event
from klaster_events.application.complete_event import CompleteEvent, complete_event
from klaster_events.application.draft_event import DraftEvent, draft_event
from klaster_events.application.expire_approval import ExpireApproval, expire_approval
from klaster_events.application.publish_event import PublishEvent, publish_event
from klaster_events.application.queries import EventInFull, EventsAsked, RegistrationInLine, RegistrationsAsked
from klaster_events.application.refuse_financing import RefuseFinancing, refuse_financing
from klaster_events.application.register_participant import RegisterParticipant, register_participant
from klaster_events.application.release_financing import ReleaseFinancing, release_financing
from klaster_events.application.secure_financing import SecureFinancing, secure_financing
from klaster_events.application.submit_event import SubmitEvent, submit_event
from klaster_events.application.withdraw_registration import WithdrawRegistration, withdraw_registration
from klaster_events.domain.approval import Approval, Ignored
from klaster_events.domain.attempt import Attempt
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
from klaster_shared.contracts.envelope import Message
from klaster_shared.countries import country
from klaster_shared.db.unit_of_work import Transactions
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
        self.scheduled: dict[ApprovalId, Message] = {}

    async def add(self, approval: Approval) -> None:
        self.rows[approval.event] = deepcopy(approval)

    async def locked(self, event: EventId) -> Approval:
        if (found := await self.find_locked(event)) is None:
            raise NotFound("event", event)
        return found

    async def find_locked(self, event: EventId) -> Approval | None:
        return deepcopy(self.rows.get(event))

    async def save(self, approval: Approval) -> None:
        self.rows[approval.event] = deepcopy(approval)
        if approval.consent is not None:
            self.scheduled.pop(approval.consent.id, None)
        if (open_ := approval.waits_for) and open_.deadline:
            self.scheduled[open_.id] = fell_due_message(approval.event, open_.id, open_.deadline)


class InMemoryAttempts:
    def __init__(self) -> None:
        self.rows: dict[ApprovalId, Attempt] = {}

    async def find(self, approval: ApprovalId) -> Attempt | None:
        return deepcopy(self.rows.get(approval))

    async def save(self, attempt: Attempt) -> None:
        self.rows[attempt.id] = deepcopy(attempt)


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

    async def attempts(self, event: EventId, *, after: UUID | None, rows: int) -> Sequence[Attempt]:
        await self._work.events.get(event)
        found = sorted((kept for kept in self._work.attempts.rows.values() if kept.event == event), key=lambda kept: kept.id)
        return [deepcopy(kept) for kept in found if after is None or kept.id > after][:rows]

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
        self.attempts = InMemoryAttempts()
        self.seats = InMemorySeats()
        self.registrations = InMemoryRegistrations()


class Commands:
    """Use cases on a database, each in a transaction of its own."""

    def __init__(self, transactions: Transactions[EventsWork]) -> None:
        self._transactions = transactions

    async def run[C, R](self, use_case: Callable[[C, EventsWork], Awaitable[R]], command: C) -> R:
        async with self._transactions.begin(Origin(actor=OFFICE, correlation_id=FLOW, causation_id="command")) as work:
            return await use_case(command, work)

    async def drafted(self, *costs: Cost, capacity: int = 20) -> EventId:
        return (await self.run(draft_event, DraftEvent(proposal=a_proposal(*costs, capacity=capacity)))).id

    async def approved(self, *costs: Cost, capacity: int = 20) -> EventId:
        event = await self.drafted(*costs, capacity=capacity)
        await self.approve(event)
        return event

    async def published(self, *, capacity: int = 20) -> EventId:
        event = await self.approved(capacity=capacity)
        await self.publish(event)
        return event

    async def approve(self, event: EventId) -> ApprovalId:
        """From a draft."""
        await self.run(submit_event, SubmitEvent(event=event))
        await self.run(approve_event, ApproveEvent(event=event, answer_within=PATIENCE))
        return await self.current_approval(event)

    async def publish(self, event: EventId) -> None:
        await self.run(publish_event, PublishEvent(event=event))

    async def complete(self, event: EventId) -> None:
        await self.run(complete_event, CompleteEvent(event=event))

    async def cancel(self, event: EventId) -> None:
        await self.run(cancel_event, CancelEvent(event=event, reason="No speaker."))

    async def reserved(self, event: EventId, approval: ApprovalId) -> Ignored | None:
        return await self.run(secure_financing, SecureFinancing(event=event, approval=approval))

    async def refused(self, event: EventId, approval: ApprovalId) -> Ignored | None:
        return await self.run(refuse_financing, RefuseFinancing(event=event, approval=approval, refusal=SHORT))

    async def released(self, event: EventId, approval: ApprovalId) -> Ignored | None:
        return await self.run(release_financing, ReleaseFinancing(event=event, approval=approval, lines=(a_cost(),)))

    async def falls_due(self, event: EventId, approval: ApprovalId) -> Ignored | None:
        return await self.run(expire_approval, ExpireApproval(event=event, approval=approval))

    async def register(self, event: EventId, email: str) -> RegistrationInLine:
        return await self.run(register_participant, RegisterParticipant(event=event, registrant=a_registrant(email)))

    async def withdraw(self, registration: RegistrationId) -> Registration:
        return await self.run(withdraw_registration, WithdrawRegistration(registration=registration))

    async def current_approval(self, event: EventId) -> ApprovalId:
        consent = (await self.in_full(event)).approval.consent
        if consent is None:
            raise LookupError(f"event {event} was never approved")
        return consent.id

    async def in_full(self, event: EventId) -> EventInFull:
        async with self._transactions.begin(Origin(actor=OFFICE, correlation_id=FLOW, causation_id="question")) as work:
            return await work.agenda.event(event)

    async def attempts_of(self, event: EventId) -> Sequence[Attempt]:
        """Oldest first."""
        async with self._transactions.begin(Origin(actor=OFFICE, correlation_id=FLOW, causation_id="question")) as work:
            return await work.agenda.attempts(event, after=None, rows=100)

    async def scheduled(self, event: EventId) -> list[dict[str, Any]]:
        """What is to leave later about the event: each body with `type`, `key`, `headers`, `due_at` and `dedupe_key`."""
        async with self._transactions.database.connect() as connection:
            rows = await connection.fetch("SELECT * FROM outbox_scheduled ORDER BY id")
        bodies = [
            {name: row[name] for name in ("type", "key", "due_at", "dedupe_key")}
            | {"headers": dict(orjson.loads(row["headers"])), **orjson.loads(row["payload"])}
            for row in rows
        ]
        return [body for body in bodies if body["event_id"] == str(event)]

    async def line_of(self, event: EventId) -> Sequence[RegistrationInLine]:
        """All registrations of the event, in the order of arrival."""
        async with self._transactions.begin(Origin(actor=OFFICE, correlation_id=FLOW, causation_id="question")) as work:
            found = await work.agenda.registrations(RegistrationsAsked(event=event), after=None, rows=10_000)
            return sorted(found, key=lambda each: each.registration.number)

    async def said(self, event: EventId) -> list[dict[str, Any]]:
        """What waits in the outbox about the event and its registrations, in order: each body with `type`, `key` and `headers`."""
        async with self._transactions.database.connect() as connection:
            rows = await connection.fetch("SELECT key, type, headers, payload FROM outbox ORDER BY id")
        bodies = [
            {"type": row["type"].split(".")[-2], "key": row["key"], "headers": dict(orjson.loads(row["headers"])), **orjson.loads(row["payload"])}
            for row in rows
        ]
        return [body for body in bodies if body["event_id"] == str(event)]
