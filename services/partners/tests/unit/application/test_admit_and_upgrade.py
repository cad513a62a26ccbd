import pytest

from klaster_partners.application.admit_member import AdmitMember, admit_member
from klaster_partners.application.upgrade_membership import UpgradeMembership, upgrade_membership
from klaster_partners.domain.facts import MembershipWasUpgraded, Parties
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.tiers import Tier
from klaster_partners.testing import NOON, OFFICE, InMemoryWork, a_membership, a_network, an_organisation, day
from klaster_shared.errors import StaleVersion


@pytest.fixture
def work() -> InMemoryWork:
    return InMemoryWork()


@pytest.fixture
async def applicant(work: InMemoryWork) -> Membership:
    organisation, network = an_organisation("Genopole"), a_network("GIN")
    membership = a_membership(organisation=organisation.id, network=network.id).build()
    await work.organisations.save(organisation)
    await work.networks.save(network)
    await work.memberships.save(membership)
    return membership


def admission(membership: Membership, expected: int | None = None) -> AdmitMember:
    return AdmitMember(membership=membership.id, expected=expected, tier=Tier.ASSOCIATE, effective_on=day("2011-05-01"), decision="3/2011")


def upgrade(membership: Membership, expected: int | None = None) -> UpgradeMembership:
    return UpgradeMembership(membership=membership.id, expected=expected, tier=Tier.FULL, effective_on=day("2012-01-01"), decision="1/2012")


async def test_a_decision_is_stored_with_who_entered_it_and_when(work: InMemoryWork, applicant: Membership) -> None:
    await admit_member(admission(applicant), work)

    (change,) = (await work.memberships.get(applicant.id)).history
    assert (change.decision, change.decided_by, change.decided_at) == ("3/2011", OFFICE, NOON)


async def test_history_keeps_every_decision_in_order(work: InMemoryWork, applicant: Membership) -> None:
    await admit_member(admission(applicant), work)
    await upgrade_membership(upgrade(applicant), work)

    stored = await work.memberships.get(applicant.id)
    assert [(change.tier, change.decision) for change in stored.history] == [(Tier.ASSOCIATE, "3/2011"), (Tier.FULL, "1/2012")]
    assert stored.version == 3


async def test_an_upgrade_tells_the_names_of_both_sides(work: InMemoryWork, applicant: Membership) -> None:
    await admit_member(admission(applicant), work)
    await upgrade_membership(upgrade(applicant), work)

    fact = work.facts[-1]
    assert isinstance(fact, MembershipWasUpgraded)
    assert fact.parties == Parties(organisation_name="Genopole", network_code="GIN", network_name="Global Innovation Network")


async def test_a_membership_changed_in_between_is_stale(work: InMemoryWork, applicant: Membership) -> None:
    await admit_member(admission(applicant, expected=1), work)

    with pytest.raises(StaleVersion):
        await upgrade_membership(upgrade(applicant, expected=1), work)
