"""What the partners service says: organisations and their contacts, networks, memberships and how they rise."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import Country, Locale, Message, Personal
from klaster_shared.contracts.registry import message

OrganisationKind = Literal[
    "company",
    "university",
    "research_institute",
    "hospital",
    "public_authority",
    "business_support",
    "cluster",
    "network",
    "other",
]
Helix = Literal["BioF", "R&D", "Edu", "Med", "Biz", "Gov"]
"""The working groups of the cluster by which it classifies its members."""
Size = Literal["micro", "small", "medium", "large"]
Tier = Literal["observer", "associate", "full"]


@message(topics.PARTNERS_ORGANISATION, subject="organisation_id")
class OrganisationRegistered(Message):
    organisation_id: UUID
    name: str
    kind: OrganisationKind
    country: Country
    helix: Helix | None
    size: Size | None


@message(topics.PARTNERS_ORGANISATION, subject="organisation_id")
class ContactAdded(Message):
    """A person speaks for an organisation; `roles` say in which matters."""

    contact_id: UUID
    organisation_id: UUID
    name: Annotated[str, Personal]
    email: Annotated[str, Personal]
    locale: Locale
    roles: tuple[str, ...]


@message(topics.PARTNERS_NETWORK, subject="network_id")
class NetworkRegistered(Message):
    network_id: UUID
    code: str
    name: str


@message(topics.PARTNERS_MEMBERSHIP, subject="membership_id")
class MembershipApplied(Message):
    membership_id: UUID
    organisation_id: UUID
    network_id: UUID
    applied_on: dt.date


@message(topics.PARTNERS_MEMBERSHIP, subject="membership_id")
class MembershipAdmitted(Message):
    """`from_tier` is null: before admission there is none. `decision` cites the network's resolution."""

    membership_id: UUID
    organisation_id: UUID
    network_id: UUID
    applied_on: dt.date
    from_tier: Tier | None
    tier: Tier
    effective_on: dt.date
    decision: str


@message(topics.PARTNERS_MEMBERSHIP, subject="membership_id")
class MembershipUpgraded(Message):
    """The names are what a notice to the organisation's contacts has to say; its reader knows no network."""

    membership_id: UUID
    organisation_id: UUID
    network_id: UUID
    applied_on: dt.date
    from_tier: Tier
    tier: Tier
    effective_on: dt.date
    decision: str
    organisation_name: str | None = None
    network_code: str | None = None
    network_name: str | None = None
