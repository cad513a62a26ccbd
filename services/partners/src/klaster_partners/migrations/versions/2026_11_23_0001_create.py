"""Create the platform's tables and those of the partners service.

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
    _create_organisations()
    _create_memberships()


def downgrade() -> None:
    for table in ("tier_change", "membership", "network", "contact", "identifier", "organisation"):
        op.drop_table(table)
    drop_platform_tables()


def _create_organisations() -> None:
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("short_name", sa.Text),
        sa.Column("folded_names", sa.Text, nullable=False, comment="name and short name as `folding.fold` writes them; what q is looked for in"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("country", sa.Text, nullable=False),
        sa.Column("city", sa.Text),
        sa.Column("helix", sa.Text),
        sa.Column("size", sa.Text),
        sa.Column("registered_by", sa.Text, nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisation"),
        sa.CheckConstraint(
            "kind IN ('company', 'university', 'research_institute', 'hospital', 'public_authority', 'business_support', 'cluster', 'network', 'other')",
            name=op.f("ck_organisation_kind"),
        ),
        sa.CheckConstraint("helix IN ('BioF', 'R&D', 'Edu', 'Med', 'Biz', 'Gov')", name=op.f("ck_organisation_helix")),
        sa.CheckConstraint("size IN ('micro', 'small', 'medium', 'large')", name=op.f("ck_organisation_size")),
    )
    op.create_table(
        "identifier",
        sa.Column("scheme", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("organisation_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("scheme", "value", name="pk_identifier"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_identifier_organisation_id"),
        sa.CheckConstraint("scheme IN ('nip', 'regon', 'krs', 'vat')", name=op.f("ck_identifier_scheme")),
    )
    op.create_index("ix_identifier_organisation_id", "identifier", ["organisation_id"])
    op.create_table(
        "contact",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("organisation_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_contact"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_contact_organisation_id"),
        sa.UniqueConstraint("organisation_id", "email", name="uq_contact_organisation_id_email"),
        sa.CheckConstraint("locale IN ('pl', 'en')", name=op.f("ck_contact_locale")),
    )


def _create_memberships() -> None:
    op.create_table(
        "network",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("registered_by", sa.Text, nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_network"),
        sa.UniqueConstraint("code", name="uq_network_code"),
    )
    op.create_table(
        "membership",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("organisation_id", sa.Uuid, nullable=False),
        sa.Column("network_id", sa.Uuid, nullable=False),
        sa.Column("applied_on", sa.Date, nullable=False),
        sa.Column("applied_by", sa.Text, nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_membership"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_membership_organisation_id"),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name="fk_membership_network_id"),
        sa.UniqueConstraint("organisation_id", "network_id", name="uq_membership_organisation_id_network_id"),
    )
    op.create_index("ix_membership_network_id", "membership", ["network_id"])
    op.create_table(
        "tier_change",
        sa.Column("membership_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, comment="1, 2, 3 … in the order of decision; rows are only ever added"),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("membership_id", "number", name="pk_tier_change"),
        sa.ForeignKeyConstraint(["membership_id"], ["membership.id"], name="fk_tier_change_membership_id"),
        sa.CheckConstraint("tier IN ('observer', 'associate', 'full')", name=op.f("ck_tier_change_tier")),
    )
