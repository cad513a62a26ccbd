import pytest

from klaster_partners.application.apply_for_membership import ApplyForMembership, apply_for_membership
from klaster_partners.domain.errors import AlreadyApplied
from klaster_partners.domain.ids import NetworkId, OrganisationId
from klaster_partners.testing import OFFICE, InMemoryWork, a_network, an_organisation, day
from klaster_shared.errors import NotFound
from klaster_shared.ids import new_id


@pytest.fixture
async def work() -> InMemoryWork:
    work = InMemoryWork()
    await work.organisations.save(an_organisation())
    await work.networks.save(a_network("GIN"))
    await work.networks.save(a_network("CEBR"))
    return work


@pytest.fixture
def organisation(work: InMemoryWork) -> OrganisationId:
    return next(work.organisations.all()).id


@pytest.fixture
def networks(work: InMemoryWork) -> list[NetworkId]:
    return [network.id for network in work.networks.all()]


def command(organisation: OrganisationId, network: NetworkId) -> ApplyForMembership:
    return ApplyForMembership(organisation=organisation, network=network, applied_on=day("2011-04-01"))


async def test_an_application_is_stored_with_who_entered_it(work: InMemoryWork, organisation: OrganisationId, networks: list[NetworkId]) -> None:
    membership = await apply_for_membership(command(organisation, networks[0]), work)

    stored = await work.memberships.get(membership.id)
    assert (stored.applied_on, stored.applied_by, stored.history) == (day("2011-04-01"), OFFICE, [])


async def test_an_organisation_may_be_in_several_networks(work: InMemoryWork, organisation: OrganisationId, networks: list[NetworkId]) -> None:
    memberships = [await apply_for_membership(command(organisation, network), work) for network in networks]

    assert [membership.network for membership in memberships] == networks


async def test_but_in_each_only_once(work: InMemoryWork, organisation: OrganisationId, networks: list[NetworkId]) -> None:
    first = await apply_for_membership(command(organisation, networks[0]), work)

    with pytest.raises(AlreadyApplied) as refusal:
        await apply_for_membership(command(organisation, networks[0]), work)

    assert refusal.value.fields["membership_id"] == str(first.id)


async def test_an_unknown_organisation_cannot_apply(work: InMemoryWork, networks: list[NetworkId]) -> None:
    with pytest.raises(NotFound, match="organisation"):
        await apply_for_membership(command(OrganisationId(new_id()), networks[0]), work)


async def test_nobody_can_apply_to_an_unknown_network(work: InMemoryWork, organisation: OrganisationId) -> None:
    with pytest.raises(NotFound, match="network"):
        await apply_for_membership(command(organisation, NetworkId(new_id())), work)
