"""Create the platform's tables and those of the budget service.

Runs before the first roll-out.
"""

import sqlalchemy as sa
from alembic import op

from klaster_shared.db.platform_schema import create_platform_tables, drop_platform_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_platform_tables()
    _create_grants()
    _create_commitments()
    _create_expenditures()
    _create_rates()


def downgrade() -> None:
    for table in ("rate", "expenditure", "commitment_line", "commitment", "budget_line", "grant_agreement"):
        op.drop_table(table)
    drop_platform_tables()


def _create_grants() -> None:
    op.create_table(
        "grant_agreement",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("funder", sa.Text, nullable=False),
        sa.Column("total", sa.Numeric, nullable=False),
        sa.Column("currency", sa.Text, nullable=False, comment="of the total, of every line and of every balance"),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("ends_on", sa.Date, nullable=False),
        sa.Column("registered_by", sa.Text, nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False, comment="of the definition; balances have none"),
        sa.PrimaryKeyConstraint("id", name="pk_grant_agreement"),
        sa.UniqueConstraint("code", name="uq_grant_agreement_code"),
        sa.CheckConstraint("total > 0", name=op.f("ck_grant_agreement_total")),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_grant_agreement_period")),
    )
    op.create_table(
        "budget_line",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("grant_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, comment="1, 2, 3 … in the order of the agreement"),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("planned", sa.Numeric, nullable=False),
        sa.Column("committed", sa.Numeric, nullable=False, comment="what open commitments hold; changed under this row's lock only"),
        sa.Column("declared", sa.Numeric, nullable=False, comment="what documents have used up; changed under this row's lock only"),
        sa.PrimaryKeyConstraint("id", name="pk_budget_line"),
        sa.ForeignKeyConstraint(["grant_id"], ["grant_agreement.id"], name="fk_budget_line_grant_id"),
        sa.UniqueConstraint("grant_id", "code", name="uq_budget_line_grant_id_code"),
        sa.CheckConstraint("committed >= 0 AND declared >= 0 AND committed + declared <= planned", name=op.f("ck_budget_line_balance")),
    )


def _create_commitments() -> None:
    op.create_table(
        "commitment",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("approval_id", sa.Uuid, nullable=False),
        sa.Column("grant_id", sa.Uuid, nullable=False, comment="as the approval says; a refused one may name a grant that does not exist"),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("refusal_reason", sa.Text),
        sa.Column("refused_line", sa.Text, comment="code of the first line that the reason concerns"),
        sa.Column("shortfalls", sa.Text, comment="JSON list of [line code, amount, currency]"),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commitment"),
        sa.UniqueConstraint("event_id", "approval_id", name="uq_commitment_event_id_approval_id"),
        sa.CheckConstraint(
            "refusal_reason IN ('unknown_grant', 'unknown_line', 'other_currency', 'insufficient')", name=op.f("ck_commitment_refusal_reason")
        ),
    )
    op.create_index("ix_commitment_grant_id", "commitment", ["grant_id"])
    op.create_table(
        "commitment_line",
        sa.Column("commitment_id", sa.Uuid, nullable=False),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, comment="1, 2, 3 … in the order of the approval"),
        sa.Column("reserved", sa.Numeric, nullable=False),
        sa.Column("consumed", sa.Numeric, nullable=False),
        sa.Column("released", sa.Numeric, nullable=False),
        sa.PrimaryKeyConstraint("commitment_id", "line_id", name="pk_commitment_line"),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name="fk_commitment_line_commitment_id"),
        sa.ForeignKeyConstraint(["line_id"], ["budget_line.id"], name="fk_commitment_line_line_id"),
        sa.CheckConstraint("consumed >= 0 AND released >= 0 AND consumed + released <= reserved", name=op.f("ck_commitment_line_sums")),
    )
    op.create_index("ix_commitment_line_open", "commitment_line", ["line_id"], postgresql_where=sa.text("reserved > consumed + released"))


def _create_expenditures() -> None:
    op.create_table(
        "expenditure",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("grant_id", sa.Uuid, nullable=False),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid),
        sa.Column("number", sa.Text, nullable=False, comment="of the document, as it was written"),
        sa.Column("number_key", sa.Text, nullable=False, comment="the number as `Document.number_key` folds it"),
        sa.Column("issued_on", sa.Date, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("issuer_nip", sa.Text),
        sa.Column("issuer_key", sa.Text, nullable=False, comment="the issuer as `Document.issuer_key` identifies it"),
        sa.Column("amount", sa.Numeric, nullable=False),
        sa.Column("currency", sa.Text, nullable=False, comment="of the amount as declared"),
        sa.Column("rate_value", sa.Numeric),
        sa.Column("rate_source", sa.Text),
        sa.Column("rate_date", sa.Date),
        sa.Column("in_grant_currency", sa.Numeric, nullable=False),
        sa.Column("from_commitments", sa.Numeric, nullable=False, comment="in the grant's currency"),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("declared_by", sa.Text, nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_expenditure"),
        sa.ForeignKeyConstraint(["grant_id"], ["grant_agreement.id"], name="fk_expenditure_grant_id"),
        sa.ForeignKeyConstraint(["line_id"], ["budget_line.id"], name="fk_expenditure_line_id"),
        sa.UniqueConstraint("line_id", "issuer_key", "number_key", name="uq_expenditure_line_id_issuer_key_number_key"),
        sa.CheckConstraint(
            "amount > 0 AND in_grant_currency > 0 AND from_commitments BETWEEN 0 AND in_grant_currency", name=op.f("ck_expenditure_amounts")
        ),
        sa.CheckConstraint("num_nulls(rate_value, rate_source, rate_date) IN (0, 3)", name=op.f("ck_expenditure_rate")),
    )
    op.create_index("ix_expenditure_grant_id", "expenditure", ["grant_id"])
    op.create_index("ix_expenditure_event_id", "expenditure", ["event_id"])


def _create_rates() -> None:
    op.create_table(
        "rate",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("quoted_on", sa.Date, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("value", sa.Numeric, nullable=False, comment="units of the grant's currency for one unit of this one"),
        sa.Column("registered_by", sa.Text, nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rate"),
        sa.UniqueConstraint("currency", "quoted_on", "source", name="uq_rate_currency_quoted_on_source"),
        sa.CheckConstraint("value > 0", name=op.f("ck_rate_value")),
    )
