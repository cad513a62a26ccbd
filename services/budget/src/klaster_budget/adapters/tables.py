"""The budget service's tables. Their constraints are the last word where two commands decide at the same time.

The one rule: amounts are NUMERIC without a scale, and the domain writes them with all minor digits of their currency, so that
they come back as they went in, in any currency. Sums of amounts with the same digits keep them too.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from klaster_budget.domain.refusals import RefusalReason
from klaster_shared.db.metadata import new_metadata

metadata = new_metadata()

GRANT = Table(
    "grant_agreement",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("funder", Text, nullable=False),
    Column("total", Numeric, nullable=False),
    Column("currency", Text, nullable=False, comment="of the total, of every line and of every balance"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    Column("registered_by", Text, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False, comment="of the definition; balances have none"),
    CheckConstraint("total > 0", name="total"),
    CheckConstraint("starts_on <= ends_on", name="period"),
)

LINE = Table(
    "budget_line",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("grant_id", Uuid, ForeignKey(GRANT.c.id), nullable=False),
    Column("number", Integer, nullable=False, comment="1, 2, 3 … in the order of the agreement"),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("planned", Numeric, nullable=False),
    Column("committed", Numeric, nullable=False, comment="what open commitments hold; changed under this row's lock only"),
    Column("declared", Numeric, nullable=False, comment="what documents have used up; changed under this row's lock only"),
    UniqueConstraint("grant_id", "code"),
    CheckConstraint("committed >= 0 AND declared >= 0 AND committed + declared <= planned", name="balance"),
)

COMMITMENT = Table(
    "commitment",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("approval_id", Uuid, nullable=False),
    Column("grant_id", Uuid, nullable=False, comment="as the approval says; a refused one may name a grant that does not exist"),
    Column("confirmed", Boolean, nullable=False),
    Column("refusal_reason", Text),
    Column("refused_line", Text, comment="code of the first line that the reason concerns"),
    Column("shortfalls", Text, comment="JSON list of [line code, amount, currency]"),
    Column("answered_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("event_id", "approval_id"),
    CheckConstraint("refusal_reason IN ({})".format(", ".join(f"'{reason}'" for reason in RefusalReason)), name="refusal_reason"),
)
Index(None, COMMITMENT.c.grant_id)

COMMITMENT_LINE = Table(
    "commitment_line",
    metadata,
    Column("commitment_id", Uuid, ForeignKey(COMMITMENT.c.id), nullable=False),
    Column("line_id", Uuid, ForeignKey(LINE.c.id), nullable=False),
    Column("number", Integer, nullable=False, comment="1, 2, 3 … in the order of the approval"),
    Column("reserved", Numeric, nullable=False),
    Column("consumed", Numeric, nullable=False),
    Column("released", Numeric, nullable=False),
    PrimaryKeyConstraint("commitment_id", "line_id"),
    CheckConstraint("consumed >= 0 AND released >= 0 AND consumed + released <= reserved", name="sums"),
)
Index(
    "ix_commitment_line_open",
    COMMITMENT_LINE.c.line_id,
    postgresql_where=COMMITMENT_LINE.c.reserved > COMMITMENT_LINE.c.consumed + COMMITMENT_LINE.c.released,
)

EXPENDITURE = Table(
    "expenditure",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("grant_id", Uuid, ForeignKey(GRANT.c.id), nullable=False),
    Column("line_id", Uuid, ForeignKey(LINE.c.id), nullable=False),
    Column("event_id", Uuid),
    Column("number", Text, nullable=False, comment="of the document, as it was written"),
    Column("number_key", Text, nullable=False, comment="the number as `Document.number_key` folds it"),
    Column("issued_on", Date, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("issuer_nip", Text),
    Column("issuer_key", Text, nullable=False, comment="the issuer as `Document.issuer_key` identifies it"),
    Column("amount", Numeric, nullable=False),
    Column("currency", Text, nullable=False, comment="of the amount as declared"),
    Column("rate_value", Numeric),
    Column("rate_source", Text),
    Column("rate_date", Date),
    Column("in_grant_currency", Numeric, nullable=False),
    Column("from_commitments", Numeric, nullable=False, comment="in the grant's currency"),
    Column("source", Text, nullable=False),
    Column("declared_by", Text, nullable=False),
    Column("declared_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("line_id", "issuer_key", "number_key"),
    CheckConstraint("amount > 0 AND in_grant_currency > 0 AND from_commitments BETWEEN 0 AND in_grant_currency", name="amounts"),
    CheckConstraint("num_nulls(rate_value, rate_source, rate_date) IN (0, 3)", name="rate"),
)
Index(None, EXPENDITURE.c.grant_id)
Index(None, EXPENDITURE.c.event_id)

RATE = Table(
    "rate",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("quoted_on", Date, nullable=False),
    Column("source", Text, nullable=False),
    Column("value", Numeric, nullable=False, comment="units of the grant's currency for one unit of this one"),
    Column("registered_by", Text, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("currency", "quoted_on", "source"),
    CheckConstraint("value > 0", name="value"),
)
