"""Queries in SQL. A filter that is not given asks for any value.

The one rule: a position in the line is counted when it is read, never stored: whoever leaves the line moves all others up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Text, bindparam, case, cast, exists, func, or_, select

from klaster_events.adapters.rows import approval_of, attempt_of, columns_of, event_of, registration_of, seats_of
from klaster_events.adapters.tables import APPROVAL, ATTEMPT, EVENT, REGISTRATION, SEATS, is_waiting
from klaster_events.application.queries import EventInFull, EventsAsked, RegistrationInLine, RegistrationsAsked
from klaster_events.domain.approval import Consent
from klaster_events.domain.attempt import Attempt
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import EventId, RegistrationId
from klaster_events.domain.registrant import RegistrationStatus
from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.listing import is_given, page
from klaster_shared.db.statements import Row, Statement
from klaster_shared.errors import NotFound
from klaster_shared.outbox.scheduled import OUTBOX_SCHEDULED

_KEY = bindparam("key", type_=EVENT.c.id.type)
_EVENTS_IN_FULL = select(
    *columns_of(EVENT), *columns_of(APPROVAL), *[column for column in columns_of(SEATS) if column.name not in {"event_id", "capacity"}]
).where(APPROVAL.c.event_id == EVENT.c.id, SEATS.c.event_id == EVENT.c.id)
_EVENT = Statement(_EVENTS_IN_FULL.where(EVENT.c.id == _KEY))
_from, _before = (bindparam(name, type_=EVENT.c.starts_at.type) for name in ("starts_from", "starts_before"))
_EVENTS = page(
    _EVENTS_IN_FULL.where(
        is_given(EVENT.c.status, "status"),
        is_given(EVENT.c.kind, "kind"),
        or_(_from.is_(None), EVENT.c.starts_at >= _from),
        or_(_before.is_(None), EVENT.c.starts_at < _before),
    ),
    EVENT.c.id,
)
_ATTEMPTS = page(select(*columns_of(ATTEMPT)).where(ATTEMPT.c.event_id == bindparam("event", type_=EVENT.c.id.type)), ATTEMPT.c.id)
_EXISTS = Statement(select(exists().where(EVENT.c.id == _KEY)))

_ahead = REGISTRATION.alias("ahead")
_position = case(
    (
        is_waiting(REGISTRATION),
        select(func.count() + 1)
        .where(_ahead.c.event_id == REGISTRATION.c.event_id, is_waiting(_ahead), _ahead.c.number < REGISTRATION.c.number)
        .scalar_subquery(),
    )
).label("position")
_IN_LINE = select(REGISTRATION, _position)
_REGISTRATION = Statement(_IN_LINE.where(REGISTRATION.c.id == _KEY))
_REGISTRATIONS = page(
    _IN_LINE.where(REGISTRATION.c.event_id == bindparam("event", type_=EVENT.c.id.type), is_given(REGISTRATION.c.status, "status")),
    REGISTRATION.c.id,
)


class StoredAgenda:
    """The port `application.queries.Agenda` on PostgreSQL."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def event(self, key: EventId) -> EventInFull:
        row = await _EVENT.fetchrow(self._connection, key=key)
        if row is None:
            raise NotFound("event", key)
        return _in_full(row)

    async def events(self, asked: EventsAsked, *, after: UUID | None, rows: int) -> Sequence[EventInFull]:
        found = await _EVENTS.fetch(
            self._connection,
            status=asked.status,
            kind=asked.kind,
            starts_from=asked.starts_from,
            starts_before=asked.starts_before,
            after=after,
            rows=rows,
        )
        return [_in_full(row) for row in found]

    async def attempts(self, event: EventId, *, after: UUID | None, rows: int) -> Sequence[Attempt]:
        found = await _ATTEMPTS.fetch(self._connection, event=event, after=after, rows=rows)
        if not found and not await _EXISTS.fetchval(self._connection, key=event):
            raise NotFound("event", event)
        return [attempt_of(row) for row in found]

    async def registration(self, key: RegistrationId) -> RegistrationInLine:
        row = await _REGISTRATION.fetchrow(self._connection, key=key)
        if row is None:
            raise NotFound("registration", key)
        return _in_line(row)

    async def registrations(self, asked: RegistrationsAsked, *, after: UUID | None, rows: int) -> Sequence[RegistrationInLine]:
        found = await _REGISTRATIONS.fetch(self._connection, event=asked.event, status=asked.status, after=after, rows=rows)
        if not found and not await _EXISTS.fetchval(self._connection, key=asked.event):
            raise NotFound("event", asked.event)
        return [_in_line(row) for row in found]


def _in_full(row: Row) -> EventInFull:
    return EventInFull(event_of(row), approval_of(row), seats_of(row))


def _in_line(row: Row) -> RegistrationInLine:
    return RegistrationInLine(registration_of(row), row["position"])


@dataclass(frozen=True, slots=True)
class OpenDeadline:
    """A deadline that nothing is scheduled for."""

    event: EventId
    consent: Consent


_UNSCHEDULED = Statement(
    select(*columns_of(APPROVAL))
    .where(
        APPROVAL.c.deadline.is_not(None),
        ~exists().where(OUTBOX_SCHEDULED.c.dedupe_key == func.concat("approval:", cast(APPROVAL.c.approval_id, Text))),
    )
    .order_by(APPROVAL.c.deadline)
)


async def unscheduled_deadlines(connection: Connection) -> Sequence[OpenDeadline]:
    """Those set by a release that scheduled nothing, and those whose message is on its way: hearing of one twice does no harm."""
    found = [approval_of(row) for row in await _UNSCHEDULED.fetch(connection)]
    return [OpenDeadline(approval.event, approval.consent) for approval in found if approval.consent is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    events: Mapping[EventStatus, int]
    registrations: Mapping[RegistrationStatus, int]
    """Live ones."""
    waiting_for_money: int
    overdue: int


_EVENTS_BY_STATUS = Statement(select(EVENT.c.status, func.count().label("counted")).group_by(EVENT.c.status))
_LIVE_REGISTRATIONS = Statement(
    select(func.coalesce(func.sum(SEATS.c.confirmed), 0).label("confirmed"), func.coalesce(func.sum(SEATS.c.waiting), 0).label("waiting"))
)
_WAITING = Statement(
    select(
        func.count().label("open"), func.count().filter(APPROVAL.c.deadline <= bindparam("now", type_=APPROVAL.c.deadline.type)).label("overdue")
    ).where(APPROVAL.c.deadline.is_not(None))
)


async def census(connection: Connection, *, now: Instant) -> Census:
    """Registrations are summed over the seats: as many rows as events, not as people."""
    events = await _EVENTS_BY_STATUS.fetch(connection)
    seats = await _LIVE_REGISTRATIONS.fetchrow(connection)
    waiting = await _WAITING.fetchrow(connection, now=now)
    if seats is None or waiting is None:
        raise AssertionError("an aggregate without GROUP BY gives one row")
    return Census(
        events={EventStatus(row["status"]): row["counted"] for row in events},
        registrations={RegistrationStatus.CONFIRMED: seats["confirmed"], RegistrationStatus.WAITLISTED: seats["waiting"]},
        waiting_for_money=waiting["open"],
        overdue=waiting["overdue"],
    )
