"""Create the platform's tables and those of the events service.

Runs before the first roll-out.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from klaster_shared.db.platform_schema import create_platform_tables, drop_platform_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_platform_tables()
    _create_events()
    _create_approvals()
    _create_seats()
    _create_registrations()


def downgrade() -> None:
    for table in ("registration", "seats", "approval", "event"):
        op.drop_table(table)
    drop_platform_tables()


def _create_events() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("title_pl", sa.Text, nullable=False),
        sa.Column("title_en", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("host_organisation_id", sa.Uuid, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("country", sa.Text, nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("grant_id", sa.Uuid),
        sa.Column("costs", postgresql.JSONB, nullable=False, comment="[{line_code, amount, currency}], at most one per line; amount is text"),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("cancellation_reason", sa.Text),
        sa.Column("drafted_by", sa.Text, nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.CheckConstraint("kind IN ('workshop', 'internship', 'study_visit', 'strategy_workshop', 'conference')", name=op.f("ck_event_kind")),
        sa.CheckConstraint("status IN ('draft', 'submitted', 'approved', 'published', 'completed', 'cancelled')", name=op.f("ck_event_status")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_event_schedule")),
        sa.CheckConstraint("capacity >= 1", name=op.f("ck_event_capacity")),
    )
    op.create_index("ix_event_starts_at", "event", ["starts_at"])


def _create_approvals() -> None:
    op.create_table(
        "approval",
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("financing", sa.Text, nullable=False),
        sa.Column("refusal", postgresql.JSONB, comment="{reason, line_code, short_by, shortfalls}"),
        sa.Column("approval_id", sa.Uuid, comment="the current attempt's; answers to any other are late"),
        sa.Column("approved_by", sa.Text),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("flow", sa.Text, comment="the correlation id of the approval"),
        sa.Column("deadline", sa.DateTime(timezone=True), comment="null once nobody waits for an answer"),
        sa.PrimaryKeyConstraint("event_id", name="pk_approval"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_approval_event_id"),
        sa.UniqueConstraint("approval_id", name="uq_approval_approval_id"),
        sa.CheckConstraint("financing IN ('none', 'pending', 'secured', 'refused', 'released')", name=op.f("ck_approval_financing")),
        sa.CheckConstraint("deadline IS NULL OR financing = 'pending'", name=op.f("ck_approval_deadline")),
        comment="the approval process of each event, changed under the row's lock",
    )
    op.create_index("ix_approval_deadline", "approval", ["deadline"], postgresql_where=sa.text("deadline IS NOT NULL"))


def _create_seats() -> None:
    op.create_table(
        "seats",
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("confirmed", sa.Integer, nullable=False),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.Column("last_number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_seats"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_seats_event_id"),
        sa.CheckConstraint("confirmed BETWEEN 0 AND capacity", name=op.f("ck_seats_confirmed")),
        sa.CheckConstraint("waiting >= 0", name=op.f("ck_seats_waiting")),
        comment="the seats of each event, locked before anything that decides about one is read",
    )


def _create_registrations() -> None:
    op.create_table(
        "registration",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("organisation_id", sa.Uuid),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, comment="order of arrival at the event; never changes"),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registration"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_registration_event_id"),
        sa.UniqueConstraint("event_id", "number", name="uq_registration_event_id_number"),
        sa.CheckConstraint("locale IN ('pl', 'en')", name=op.f("ck_registration_locale")),
        sa.CheckConstraint("status IN ('confirmed', 'waitlisted', 'withdrawn', 'cancelled')", name=op.f("ck_registration_status")),
    )
    op.create_index("ix_registration_event_id_id", "registration", ["event_id", "id"])
    op.create_index("ix_registration_line", "registration", ["event_id", "number"], postgresql_where=sa.text("status = 'waitlisted'"))
    op.create_index(
        "uq_registration_live_email",
        "registration",
        ["event_id", "email"],
        unique=True,
        postgresql_where=sa.text("status IN ('confirmed', 'waitlisted')"),
    )
