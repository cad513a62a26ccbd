"""Aggregates and the rows beside them in their tables.

The one rule: a lock is a statement of its own, and what is read under it is read by the next one. PostgreSQL's READ COMMITTED
gives each statement its own snapshot; a statement that waits for a lock while reading sees the other tables as they were before.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, bindparam, column, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from klaster_events.adapters.publishing import event_message, fell_due_message, registration_message
from klaster_events.adapters.rows import (
    approval_of,
    approval_row,
    attempt_of,
    attempt_row,
    columns_of,
    event_of,
    event_row,
    registration_of,
    registration_row,
    seats_of,
    seats_row,
)
from klaster_events.adapters.tables import APPROVAL, ATTEMPT, EVENT, REGISTRATION, SEATS, is_live, is_waiting
from klaster_events.domain.approval import Approval, Consent
from klaster_events.domain.attempt import Attempt
from klaster_events.domain.event import Event
from klaster_events.domain.ids import ApprovalId, EventId, RegistrationId
from klaster_events.domain.registrant import EmailAddress
from klaster_events.domain.registration import Registration
from klaster_events.domain.seats import Seats
from klaster_shared.db.aggregate_store import AggregateStore
from klaster_shared.db.statements import Statement, insert_of, rows_of, versioned_update
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.errors import NotFound, StaleVersion

_event = bindparam("event", type_=EVENT.c.id.type)


_EVENTS = AggregateStore[Event](
    "event",
    insert=Statement(insert_of(EVENT)),
    update=Statement(versioned_update(EVENT, "drafted_by", "drafted_at")),
    to_row=event_row,
    to_message=event_message,
)
_EVENT = Statement(select(*columns_of(EVENT)).where(EVENT.c.id == _event))


class Events:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get(self, event: EventId, expected: int | None = None) -> Event:
        row = await _EVENT.fetchrow(self._work.connection, event=event)
        if row is None:
            raise NotFound("event", event)
        return _EVENTS.require_version(event, event_of(row), expected)

    async def save(self, event: Event) -> None:
        await _EVENTS.save(self._work, event.id, event)


_ADD_APPROVAL = Statement(insert_of(APPROVAL))
_LOCK_APPROVAL = Statement(select(APPROVAL.c.event_id).where(APPROVAL.c.event_id == _event).with_for_update())
_APPROVAL = Statement(select(*columns_of(APPROVAL)).where(APPROVAL.c.event_id == _event))
_SAVE_APPROVAL = Statement(
    update(APPROVAL).where(APPROVAL.c.event_id == _event).values({c.name: bindparam(c.name, type_=c.type) for c in APPROVAL.c if not c.primary_key})
)


class Approvals:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, approval: Approval) -> None:
        await _ADD_APPROVAL.execute(self._work.connection, event_id=approval.event, **approval_row(approval))

    async def locked(self, event: EventId) -> Approval:
        found = await self.find_locked(event)
        if found is None:
            raise NotFound("event", event)
        return found

    async def find_locked(self, event: EventId) -> Approval | None:
        if await _LOCK_APPROVAL.fetchrow(self._work.connection, event=event) is None:
            return None
        return await self._read(event)

    async def save(self, approval: Approval) -> None:
        await _SAVE_APPROVAL.execute(self._work.connection, event=approval.event, **approval_row(approval))
        if consent := approval.waits_for:
            self.schedule_deadline(approval.event, consent)
        elif approval.consent is not None:
            self._work.unschedule(deadline_key(approval.consent.id))

    def schedule_deadline(self, event: EventId, consent: Consent) -> None:
        """The deadline comes back as a message when it has passed; changes nothing when it is scheduled already."""
        if consent.deadline is None:
            raise LookupError(f"approval {consent.id} has no deadline")
        message = fell_due_message(event, consent.id, consent.deadline)
        self._work.publish_at(message, due=consent.deadline, dedupe=deadline_key(consent.id), sequence=1, happened=consent.deadline)

    async def _read(self, event: EventId) -> Approval:
        return approval_of(await _APPROVAL.fetchrow(self._work.connection, event=event))


def deadline_key(approval: ApprovalId) -> str:
    """What the deadline of an approval is scheduled as, and taken back by."""
    return f"approval:{approval}"


_ATTEMPT = Statement(select(*columns_of(ATTEMPT)).where(ATTEMPT.c.id == bindparam("key", type_=ATTEMPT.c.id.type)))
_attempt = insert(ATTEMPT).values({c.name: bindparam(c.name, type_=c.type) for c in ATTEMPT.c})
_SAVE_ATTEMPT = Statement(
    _attempt.on_conflict_do_update(
        index_elements=[ATTEMPT.c.id],
        set_={name: _attempt.excluded[name] for name in ("outcome", "refusal", "closed_at", "answered_at", "released_at", "released")},
    )
)


class Attempts:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find(self, approval: ApprovalId) -> Attempt | None:
        row = await _ATTEMPT.fetchrow(self._work.connection, key=approval)
        return row and attempt_of(row)

    async def save(self, attempt: Attempt) -> None:
        await _SAVE_ATTEMPT.execute(self._work.connection, **attempt_row(attempt))


_ADD_SEATS = Statement(insert_of(SEATS))
_LOCK_SEATS = Statement(select(SEATS.c.event_id).where(SEATS.c.event_id == _event).with_for_update())
_SEATS = Statement(select(SEATS).where(SEATS.c.event_id == _event))
_SAVE_SEATS = Statement(
    update(SEATS).where(SEATS.c.event_id == _event).values({c.name: bindparam(c.name, type_=c.type) for c in SEATS.c if not c.primary_key})
)


class SeatRows:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, seats: Seats) -> None:
        await _ADD_SEATS.execute(self._work.connection, event_id=seats.event, **seats_row(seats))

    async def locked(self, event: EventId) -> Seats:
        if await _LOCK_SEATS.fetchrow(self._work.connection, event=event) is None:
            raise NotFound("event", event)
        return seats_of(await _SEATS.fetchrow(self._work.connection, event=event))

    async def save(self, seats: Seats) -> None:
        await _SAVE_SEATS.execute(self._work.connection, event=seats.event, **seats_row(seats))


_REGISTRATIONS = AggregateStore[Registration](
    "registration",
    insert=Statement(insert_of(REGISTRATION)),
    update=Statement(versioned_update(REGISTRATION, "event_id", "name", "email", "locale", "organisation_id", "number", "registered_at")),
    to_row=registration_row,
    to_message=registration_message,
)
_REGISTRATION = Statement(select(REGISTRATION).where(REGISTRATION.c.id == bindparam("key")))
_EVENT_OF = Statement(select(REGISTRATION.c.event_id).where(REGISTRATION.c.id == bindparam("key")))
_IS_REGISTERED = Statement(
    select(
        exists().where(
            REGISTRATION.c.event_id == _event, REGISTRATION.c.email == bindparam("email", type_=REGISTRATION.c.email.type), is_live(REGISTRATION)
        )
    )
)
_HEAD = Statement(select(REGISTRATION).where(REGISTRATION.c.event_id == _event, is_waiting(REGISTRATION)).order_by(REGISTRATION.c.number).limit(1))
_LIVE = Statement(select(REGISTRATION).where(REGISTRATION.c.event_id == _event, is_live(REGISTRATION)).order_by(REGISTRATION.c.number))
_given = rows_of(
    [REGISTRATION.c.id, REGISTRATION.c.status, REGISTRATION.c.changed_at, REGISTRATION.c.version, column("expected_version", BigInteger)]
)
_SAVE_ALL = Statement(
    update(REGISTRATION)
    .where(REGISTRATION.c.id == _given.c.id, REGISTRATION.c.version == _given.c.expected_version)
    .values(status=_given.c.status, changed_at=_given.c.changed_at, version=_given.c.version)
)


class Registrations:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get(self, registration: RegistrationId, expected: int | None = None) -> Registration:
        row = await _REGISTRATION.fetchrow(self._work.connection, key=registration)
        if row is None:
            raise NotFound("registration", registration)
        return _REGISTRATIONS.require_version(registration, registration_of(row), expected)

    async def event_of(self, registration: RegistrationId) -> EventId:
        found = await _EVENT_OF.fetchval(self._work.connection, key=registration)
        if found is None:
            raise NotFound("registration", registration)
        return EventId(found)

    async def is_registered(self, event: EventId, email: EmailAddress) -> bool:
        return bool(await _IS_REGISTERED.fetchval(self._work.connection, event=event, email=email))

    async def head_of_line(self, event: EventId) -> Registration | None:
        row = await _HEAD.fetchrow(self._work.connection, event=event)
        return row and registration_of(row)

    async def live(self, event: EventId) -> Sequence[Registration]:
        return [registration_of(row) for row in await _LIVE.fetch(self._work.connection, event=event)]

    async def save(self, registration: Registration) -> None:
        await _REGISTRATIONS.save(self._work, registration.id, registration)

    async def save_all(self, registrations: Sequence[Registration]) -> None:
        written = await _SAVE_ALL.execute(
            self._work.connection,
            id=[each.id for each in registrations],
            status=[each.status for each in registrations],
            changed_at=[each.changed_at for each in registrations],
            version=[each.version + len(each.facts) for each in registrations],
            expected_version=[each.version for each in registrations],
        )
        if written != len(registrations):
            raise StaleVersion("registration", f"one of {len(registrations)}")
        for each in registrations:
            for sequence, fact in enumerate(each.facts, each.version + 1):
                self._work.publish(registration_message(fact), sequence=sequence, happened=fact.at)
            each.stored()
