from dataclasses import dataclass
from datetime import date

from klaster_partners.application.ports import PartnersWork
from klaster_partners.domain.facts import Parties
from klaster_partners.domain.ids import MembershipId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.tiers import Tier, TierChange


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeMembership:
    membership: MembershipId
    expected: int | None = None
    tier: Tier
    effective_on: date
    decision: str


async def upgrade_membership(command: UpgradeMembership, work: PartnersWork) -> Membership:
    membership = await work.memberships.get(command.membership, command.expected)
    organisation = await work.organisations.get(membership.organisation)
    network = await work.networks.get(membership.network)
    membership.upgrade(
        TierChange(
            tier=command.tier,
            effective_on=command.effective_on,
            decision=command.decision,
            decided_by=work.actor,
            decided_at=work.now,
        ),
        parties=Parties(organisation_name=organisation.profile.name, network_code=network.code, network_name=network.name),
    )
    await work.memberships.save(membership)
    return membership
