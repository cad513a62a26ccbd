"""The partners service's tables. Their constraints are the last word where two commands decide at the same time."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from klaster_partners.domain.contacts import Locale
from klaster_partners.domain.identifiers import Scheme
from klaster_partners.domain.profiles import Helix, OrganisationKind, Size
from klaster_partners.domain.tiers import Tier
from klaster_shared.db.metadata import new_metadata, one_of

metadata = new_metadata()

ORGANISATION = Table(
    "organisation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("short_name", Text),
    Column("folded_names", Text, nullable=False, comment="name and short name as `folding.fold` writes them; what q is looked for in"),
    Column("kind", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("city", Text),
    Column("helix", Text),
    Column("size", Text),
    Column("registered_by", Text, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
    one_of("kind", OrganisationKind),
    one_of("helix", Helix),
    one_of("size", Size),
)

IDENTIFIER = Table(
    "identifier",
    metadata,
    Column("scheme", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("organisation_id", Uuid, ForeignKey(ORGANISATION.c.id), nullable=False, index=True),
    PrimaryKeyConstraint("scheme", "value"),
    one_of("scheme", Scheme),
)

CONTACT = Table(
    "contact",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, ForeignKey(ORGANISATION.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("organisation_id", "email"),
    one_of("locale", Locale),
)

NETWORK = Table(
    "network",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("registered_by", Text, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
)

MEMBERSHIP = Table(
    "membership",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, ForeignKey(ORGANISATION.c.id), nullable=False),
    Column("network_id", Uuid, ForeignKey(NETWORK.c.id), nullable=False),
    Column("applied_on", Date, nullable=False),
    Column("applied_by", Text, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("organisation_id", "network_id"),
)
Index(None, MEMBERSHIP.c.network_id)

TIER_CHANGE = Table(
    "tier_change",
    metadata,
    Column("membership_id", Uuid, ForeignKey(MEMBERSHIP.c.id), nullable=False),
    Column("number", Integer, nullable=False, comment="1, 2, 3 … in the order of decision; rows are only ever added"),
    Column("tier", Text, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("decision", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("membership_id", "number"),
    one_of("tier", Tier),
)
