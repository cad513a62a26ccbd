"""What leaves this service: one message for every fact."""

from typing import assert_never

from klaster_partners.domain.facts import (
    ContactWasAdded,
    MembershipWasAdmitted,
    MembershipWasApplied,
    MembershipWasUpgraded,
    NetworkWasRegistered,
    OrganisationWasRegistered,
    PartnersFact,
)
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.partners import (
    ContactAdded,
    MembershipAdmitted,
    MembershipApplied,
    MembershipUpgraded,
    NetworkRegistered,
    OrganisationRegistered,
)


def to_message(fact: PartnersFact) -> Message:
    match fact:
        case OrganisationWasRegistered(organisation=organisation, profile=profile):
            return OrganisationRegistered(
                organisation_id=organisation,
                name=profile.name,
                kind=profile.kind.value,
                country=profile.country,
                helix=profile.helix.value if profile.helix else None,
                size=profile.size.value if profile.size else None,
            )
        case ContactWasAdded(organisation=organisation, contact=contact):
            return ContactAdded(
                contact_id=contact.id,
                organisation_id=organisation,
                name=contact.name,
                email=contact.email,
                locale=contact.locale.value,
                roles=contact.roles,
            )
        case NetworkWasRegistered(network=network, code=code, name=name):
            return NetworkRegistered(network_id=network, code=code, name=name)
        case MembershipWasApplied(membership=membership, organisation=organisation, network=network, applied_on=applied_on):
            return MembershipApplied(membership_id=membership, organisation_id=organisation, network_id=network, applied_on=applied_on)
        case MembershipWasAdmitted(change=change):
            return MembershipAdmitted(
                membership_id=fact.membership,
                organisation_id=fact.organisation,
                network_id=fact.network,
                applied_on=fact.applied_on,
                from_tier=None,
                tier=change.tier.value,
                effective_on=change.effective_on,
                decision=change.decision,
            )
        case MembershipWasUpgraded(change=change, parties=parties):
            return MembershipUpgraded(
                membership_id=fact.membership,
                organisation_id=fact.organisation,
                network_id=fact.network,
                applied_on=fact.applied_on,
                from_tier=fact.before.value,
                tier=change.tier.value,
                effective_on=change.effective_on,
                decision=change.decision,
                organisation_name=parties.organisation_name,
                network_code=parties.network_code,
                network_name=parties.network_name,
            )
        case _:
            assert_never(fact)
