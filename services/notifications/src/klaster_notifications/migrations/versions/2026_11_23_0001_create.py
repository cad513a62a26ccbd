"""Create the platform's tables and those of the notifications service.

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
    _create_audiences()
    _create_deliveries()
    _create_sending()


def downgrade() -> None:
    for table in ("dispatch", "letter", "delivery", "cause", "contact"):
        op.drop_table(table)
    drop_platform_tables()


def _create_audiences() -> None:
    op.create_table(
        "contact",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("organisation_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="by the partners service"),
        sa.PrimaryKeyConstraint("id", name="pk_contact"),
        sa.CheckConstraint("locale IN ('pl', 'en')", name=op.f("ck_contact_locale")),
    )
    op.create_index("ix_contact_organisation_id_recorded_at", "contact", ["organisation_id", "recorded_at"])
    op.create_table(
        "cause",
        sa.Column("id", sa.Uuid, nullable=False, comment="the ce_id of the message"),
        sa.Column("organisation_id", sa.Uuid, nullable=False, comment="whose contacts it concerns"),
        sa.Column("type", sa.Text, nullable=False, comment="the ce_type"),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="by the service that sent it"),
        sa.Column("particulars", sa.Text, nullable=False, comment="the message's fields as JSON"),
        sa.PrimaryKeyConstraint("id", "organisation_id", name="pk_cause"),
    )
    op.create_index("ix_cause_organisation_id_recorded_at", "cause", ["organisation_id", "recorded_at"])


def _create_deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("cause_id", sa.Uuid, nullable=False),
        sa.Column("cause_type", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("template_version", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("recipient_id", sa.Uuid, nullable=False),
        sa.Column("recipient_kind", sa.Text, nullable=False),
        sa.Column("recipient_name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("flow", sa.Text, nullable=False, comment="the correlation id that it was queued under"),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.UniqueConstraint("cause_id", "recipient_id", "template", "channel", name="uq_delivery_recipient"),
        sa.UniqueConstraint("cause_id", "address", "template", "channel", name="uq_delivery_address"),
        sa.CheckConstraint("(status = 'queued') = (settled_at IS NULL)", name=op.f("ck_delivery_settled")),
        sa.CheckConstraint("channel IN ('email')", name=op.f("ck_delivery_channel")),
        sa.CheckConstraint("recipient_kind IN ('contact', 'registrant')", name=op.f("ck_delivery_recipient_kind")),
        sa.CheckConstraint("locale IN ('pl', 'en')", name=op.f("ck_delivery_locale")),
        sa.CheckConstraint("status IN ('queued', 'sent', 'failed', 'suppressed')", name=op.f("ck_delivery_status")),
    )
    op.create_index("ix_delivery_recipient_id", "delivery", ["recipient_id"])
    op.create_index("ix_delivery_status_id", "delivery", ["status", "id"])


def _create_sending() -> None:
    op.create_table(
        "letter",
        sa.Column("delivery_id", sa.Uuid, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("calendar_method", sa.Text),
        sa.Column("calendar", sa.Text),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_letter"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="fk_letter_delivery_id"),
        sa.CheckConstraint("(calendar IS NULL) = (calendar_method IS NULL)", name=op.f("ck_letter_calendar")),
        sa.CheckConstraint("calendar_method IN ('REQUEST', 'CANCEL')", name=op.f("ck_letter_calendar_method")),
    )
    op.create_table(
        "dispatch",
        sa.Column("delivery_id", sa.Uuid, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            comment="when anybody may send it; of a claimed one: when the claim ends; null: nothing left to do",
        ),
        sa.Column("claim", sa.Uuid, comment="the sender that has it"),
        sa.Column("last_failure", sa.Text),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_dispatch"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="fk_dispatch_delivery_id"),
    )
    op.create_index("ix_dispatch_due_at_delivery_id", "dispatch", ["due_at", "delivery_id"], postgresql_where=sa.text("due_at IS NOT NULL"))
