from dataclasses import dataclass
from datetime import date

from klaster_partners.application.ports import PartnersWork
from klaster_partners.domain.ids import MembershipId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.tiers import Tier, TierChange


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitMember:
    membership: MembershipId
    expected: int | None = None
    tier: Tier
    effective_on: date
    decision: str


async def admit_member(command: AdmitMember, work: PartnersWork) -> Membership:
    membership = await work.memberships.get(command.membership, command.expected)
    membership.admit(
        TierChange(
            tier=command.tier,
            effective_on=command.effective_on,
            decision=command.decision,
            decided_by=work.actor,
            decided_at=work.now,
        )
    )
    await work.memberships.save(membership)
    return membership
