"""The events service's tables. Their constraints are the last word: even a defect in the use cases cannot oversell an event."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB

from klaster_events.domain.approval import Financing
from klaster_events.domain.attempt import Outcome
from klaster_events.domain.event import EventStatus
from klaster_events.domain.proposal import EventKind
from klaster_events.domain.registrant import LIVE, Locale, RegistrationStatus
from klaster_shared.db.metadata import new_metadata, one_of

metadata = new_metadata()

EVENT = Table(
    "event",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("title_pl", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("host_organisation_id", Uuid, nullable=False),
    Column("place", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False, index=True),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("grant_id", Uuid),
    Column("costs", JSONB, nullable=False, comment="[{line_code, amount, currency}], at most one per line; amount is text"),
    Column("status", Text, nullable=False),
    Column("cancellation_reason", Text),
    Column("drafted_by", Text, nullable=False),
    Column("drafted_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
    one_of("kind", EventKind),
    one_of("status", EventStatus),
    CheckConstraint("starts_at < ends_at", name="schedule"),
    CheckConstraint("capacity >= 1", name="capacity"),
)

APPROVAL = Table(
    "approval",
    metadata,
    Column("event_id", Uuid, ForeignKey(EVENT.c.id), primary_key=True),
    Column("financing", Text, nullable=False),
    Column("refusal", JSONB, comment="{reason, line_code, short_by, shortfalls}"),
    Column("approval_id", Uuid, unique=True, comment="the current attempt's; answers to any other are late"),
    Column("approved_by", Text),
    Column("approved_at", DateTime(timezone=True)),
    Column("flow", Text, comment="the correlation id of the approval"),
    Column("deadline", DateTime(timezone=True), comment="null once nobody waits for an answer"),
    one_of("financing", Financing),
    CheckConstraint("deadline IS NULL OR financing = 'pending'", name="deadline"),
    comment="the approval process of each event, changed under the row's lock",
)
Index("ix_approval_deadline", APPROVAL.c.deadline, postgresql_where=APPROVAL.c.deadline.is_not(None))

ATTEMPT = Table(
    "approval_attempt",
    metadata,
    Column("id", Uuid, primary_key=True, comment="the approval_id by which budget was asked"),
    Column("event_id", Uuid, ForeignKey(EVENT.c.id), nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", DateTime(timezone=True), nullable=False),
    Column("deadline", DateTime(timezone=True), comment="as it was set"),
    Column("outcome", Text, nullable=False),
    Column("refusal", JSONB, comment="{reason, line_code, short_by, shortfalls}"),
    Column("closed_at", DateTime(timezone=True)),
    Column("answered_at", DateTime(timezone=True)),
    Column("released_at", DateTime(timezone=True)),
    Column("released", JSONB, comment="[{line_code, amount, currency}] that budget gave back; amount is text"),
    one_of("outcome", Outcome),
    CheckConstraint("(released_at IS NULL) = (released IS NULL)", name="released"),
    comment="what became of every approval, changed under the lock of the event's approval",
)
Index("ix_approval_attempt_event_id_id", ATTEMPT.c.event_id, ATTEMPT.c.id)

SEATS = Table(
    "seats",
    metadata,
    Column("event_id", Uuid, ForeignKey(EVENT.c.id), primary_key=True),
    Column("capacity", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("last_number", Integer, nullable=False),
    CheckConstraint("confirmed BETWEEN 0 AND capacity", name="confirmed"),
    CheckConstraint("waiting >= 0", name="waiting"),
    comment="the seats of each event, locked before anything that decides about one is read",
)

REGISTRATION = Table(
    "registration",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("event_id", Uuid, ForeignKey(EVENT.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("organisation_id", Uuid),
    Column("status", Text, nullable=False),
    Column("number", Integer, nullable=False, comment="order of arrival at the event; never changes"),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("event_id", "number"),
    one_of("locale", Locale),
    one_of("status", RegistrationStatus),
)


def is_waiting(registration: FromClause) -> ColumnElement[bool]:
    """Written out, not as a parameter, so that every plan can use the partial index."""
    return registration.c.status == _written_out(RegistrationStatus.WAITLISTED)


def is_live(registration: FromClause) -> ColumnElement[bool]:
    return registration.c.status.in_([_written_out(status) for status in sorted(LIVE)])


def _written_out(status: RegistrationStatus) -> ColumnElement[str]:
    return literal_column(f"'{status}'", Text)


Index("ix_registration_event_id_id", REGISTRATION.c.event_id, REGISTRATION.c.id)
Index("ix_registration_line", REGISTRATION.c.event_id, REGISTRATION.c.number, postgresql_where=is_waiting(REGISTRATION))
Index("uq_registration_live_email", REGISTRATION.c.event_id, REGISTRATION.c.email, unique=True, postgresql_where=is_live(REGISTRATION))
