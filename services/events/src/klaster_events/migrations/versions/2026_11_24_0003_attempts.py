"""What became of every approval is kept: one row for each attempt, also for those of which the process row still tells.

Runs before the new release is rolled out; the release before it works on with these tables. What it approves meanwhile has no
attempt, and its open deadlines are scheduled when the new release starts (`deadlines.py`).
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# An event that was submitted anew has forgotten why it came back: only that it did is known of the attempt before.
_KNOWN = """
INSERT INTO approval_attempt (id, event_id, approved_by, approved_at, deadline, outcome, refusal)
SELECT approval.approval_id, approval.event_id, approval.approved_by, approval.approved_at, approval.deadline,
    CASE
        WHEN approval.deadline IS NOT NULL THEN 'waiting'
        WHEN approval.financing = 'pending' THEN 'cancelled'
        WHEN approval.financing IN ('secured', 'released') THEN 'secured'
        WHEN approval.financing = 'refused' AND approval.refusal ->> 'reason' = 'overdue' THEN 'overdue'
        WHEN approval.financing = 'refused' THEN 'refused'
        WHEN event.status IN ('draft', 'submitted') THEN 'refused'
        ELSE 'not_needed'
    END,
    CASE WHEN approval.financing = 'refused' THEN approval.refusal END
FROM approval JOIN event ON event.id = approval.event_id
WHERE approval.approval_id IS NOT NULL
"""


def upgrade() -> None:
    op.create_table(
        "approval_attempt",
        sa.Column("id", sa.Uuid, nullable=False, comment="the approval_id by which budget was asked"),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("approved_by", sa.Text, nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), comment="as it was set"),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("refusal", postgresql.JSONB, comment="{reason, line_code, short_by, shortfalls}"),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("released_at", sa.DateTime(timezone=True)),
        sa.Column("released", postgresql.JSONB, comment="[{line_code, amount, currency}] that budget gave back; amount is text"),
        sa.PrimaryKeyConstraint("id", name="pk_approval_attempt"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_approval_attempt_event_id"),
        sa.CheckConstraint(
            "outcome IN ('waiting', 'not_needed', 'secured', 'refused', 'overdue', 'cancelled')", name=op.f("ck_approval_attempt_outcome")
        ),
        sa.CheckConstraint("(released_at IS NULL) = (released IS NULL)", name=op.f("ck_approval_attempt_released")),
        comment="what became of every approval, changed under the lock of the event's approval",
    )
    op.create_index("ix_approval_attempt_event_id_id", "approval_attempt", ["event_id", "id"])
    op.execute(_KNOWN)


def downgrade() -> None:
    op.drop_table("approval_attempt")
