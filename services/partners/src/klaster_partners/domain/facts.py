"""What can happen to organisations, networks and memberships. Not the wire format: `adapters/publishing.py` translates.

The one rule: a fact carries all that its message says, because whoever publishes it looks nothing up.
"""

from dataclasses import dataclass
from datetime import date

from klaster_partners.domain.contacts import Contact
from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.profiles import Profile
from klaster_partners.domain.tiers import Tier, TierChange
from klaster_shared.aggregates import Fact
from klaster_shared.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationWasRegistered(Fact):
    organisation: OrganisationId
    profile: Profile
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactWasAdded(Fact):
    organisation: OrganisationId
    contact: Contact
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkWasRegistered(Fact):
    network: NetworkId
    code: str
    name: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipWasApplied(Fact):
    membership: MembershipId
    organisation: OrganisationId
    network: NetworkId
    applied_on: date
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipWasAdmitted(Fact):
    membership: MembershipId
    organisation: OrganisationId
    network: NetworkId
    applied_on: date
    change: TierChange
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """What the two sides of a membership are called on the day of a decision."""

    organisation_name: str
    network_code: str
    network_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipWasUpgraded(Fact):
    membership: MembershipId
    organisation: OrganisationId
    network: NetworkId
    applied_on: date
    before: Tier
    change: TierChange
    parties: Parties
    at: Instant


type PartnersFact = (
    OrganisationWasRegistered | ContactWasAdded | NetworkWasRegistered | MembershipWasApplied | MembershipWasAdmitted | MembershipWasUpgraded
)
