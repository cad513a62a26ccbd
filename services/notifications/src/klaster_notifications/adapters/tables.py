"""The notifications service's tables. Their constraints are the last word on who is written to twice: nobody."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from klaster_notifications.domain.delivery import Status
from klaster_notifications.domain.recipients import Locale, RecipientKind
from klaster_notifications.domain.rules import CalendarMethod, Channel
from klaster_shared.db.metadata import new_metadata, one_of

metadata = new_metadata()

CONTACT = Table(
    "contact",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, comment="by the partners service"),
    one_of("locale", Locale),
)
Index(None, CONTACT.c.organisation_id, CONTACT.c.recorded_at)

CAUSE = Table(
    "cause",
    metadata,
    Column("id", Uuid, primary_key=True, comment="the ce_id of the message"),
    Column("organisation_id", Uuid, primary_key=True, comment="whose contacts it concerns"),
    Column("type", Text, nullable=False, comment="the ce_type"),
    Column("happened_at", DateTime(timezone=True), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, comment="by the service that sent it"),
    Column("particulars", Text, nullable=False, comment="the message's fields as JSON"),
)
Index(None, CAUSE.c.organisation_id, CAUSE.c.recorded_at)

DELIVERY = Table(
    "delivery",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("cause_id", Uuid, nullable=False),
    Column("cause_type", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("template_version", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient_id", Uuid, nullable=False),
    Column("recipient_kind", Text, nullable=False),
    Column("recipient_name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("flow", Text, nullable=False, comment="the correlation id that it was queued under"),
    Column("queued_at", DateTime(timezone=True), nullable=False),
    Column("status", Text, nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    Column("reason", Text),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("cause_id", "recipient_id", "template", "channel", name="uq_delivery_recipient"),
    UniqueConstraint("cause_id", "address", "template", "channel", name="uq_delivery_address"),
    CheckConstraint("(status = 'queued') = (settled_at IS NULL)", name="settled"),
    one_of("channel", Channel),
    one_of("recipient_kind", RecipientKind),
    one_of("locale", Locale),
    one_of("status", Status),
)
Index(None, DELIVERY.c.recipient_id)
Index(None, DELIVERY.c.status, DELIVERY.c.id)

LETTER = Table(
    "letter",
    metadata,
    Column("delivery_id", Uuid, ForeignKey(DELIVERY.c.id), primary_key=True),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("calendar_method", Text),
    Column("calendar", Text),
    CheckConstraint("(calendar IS NULL) = (calendar_method IS NULL)", name="calendar"),
    one_of("calendar_method", CalendarMethod),
)

DISPATCH = Table(
    "dispatch",
    metadata,
    Column("delivery_id", Uuid, ForeignKey(DELIVERY.c.id), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("due_at", DateTime(timezone=True), comment="when anybody may send it; of a claimed one: when the claim ends; null: nothing left to do"),
    Column("claim", Uuid, comment="the sender that has it"),
    Column("last_failure", Text),
)
Index(None, DISPATCH.c.due_at, DISPATCH.c.delivery_id, postgresql_where=DISPATCH.c.due_at.isnot(None))
