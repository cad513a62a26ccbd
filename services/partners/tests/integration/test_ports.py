"""One suite for the two implementations of the ports: what use-case tests rely on in memory is what PostgreSQL does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import cast

import pytest

from klaster_partners.application.ports import PartnersWork
from klaster_partners.domain.identifiers import Scheme, identifier
from klaster_partners.domain.ids import NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.tiers import Tier
from klaster_partners.testing import PARTIES, InMemoryWork, a_change, a_contact, a_membership, a_network, an_organisation
from klaster_shared.errors import NotFound, StaleVersion
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines

type Begin = Callable[[], AbstractAsyncContextManager[PartnersWork]]

_codes = (f"NET-{number}" for number in count())
_krs = (identifier(Scheme.KRS, f"{number:010}") for number in count())


@pytest.fixture(params=["in memory", "on PostgreSQL"])
def begin(request: pytest.FixtureRequest) -> Begin:
    if request.param == "on PostgreSQL":
        return cast("Begin", request.getfixturevalue("new_work"))
    work = InMemoryWork()

    @asynccontextmanager
    async def same() -> AsyncIterator[PartnersWork]:
        yield work

    return same


async def stored_organisation(begin: Begin) -> Organisation:
    organisation = an_organisation("Genopole", next(_krs), next(_krs))
    async with begin() as work:
        await work.organisations.save(organisation)
    return organisation


async def stored_membership(begin: Begin) -> Membership:
    organisation, network = await stored_organisation(begin), a_network(next(_codes))
    membership = a_membership(organisation=organisation.id, network=network.id).build()
    async with begin() as work:
        await work.networks.save(network)
        await work.memberships.save(membership)
    return membership


async def test_an_organisation_comes_back_as_it_was_stored(begin: Begin) -> None:
    organisation = await stored_organisation(begin)
    organisation.add_contact(a_contact())
    async with begin() as work:
        await work.organisations.save(organisation)

    async with begin() as work:
        assert await work.organisations.get(organisation.id) == organisation


async def test_a_network_comes_back_as_it_was_stored(begin: Begin) -> None:
    network = a_network(next(_codes))
    async with begin() as work:
        await work.networks.save(network)

    async with begin() as work:
        assert await work.networks.get(network.id) == network


async def test_a_membership_comes_back_with_its_history_in_order(begin: Begin) -> None:
    membership = await stored_membership(begin)
    membership.admit(a_change(Tier.OBSERVER, on="2011-05-01"))
    async with begin() as work:
        await work.memberships.save(membership)
    membership.upgrade(a_change(Tier.ASSOCIATE, on="2011-05-01"), parties=PARTIES)
    membership.upgrade(a_change(Tier.FULL, on="2012-01-01"), parties=PARTIES)
    async with begin() as work:
        await work.memberships.save(membership)

    async with begin() as work:
        assert await work.memberships.get(membership.id) == membership


async def test_the_version_is_the_number_of_facts(begin: Begin) -> None:
    membership = await stored_membership(begin)
    membership.admit(a_change(Tier.OBSERVER, on="2011-05-01"))
    membership.upgrade(a_change(Tier.FULL, on="2012-01-01"), parties=PARTIES)
    async with begin() as work:
        await work.memberships.save(membership)

    assert membership.version == 3


@pytest.mark.parametrize("repository", ["organisations", "networks", "memberships"])
async def test_what_was_never_stored_is_not_found(begin: Begin, repository: str) -> None:
    async with begin() as work:
        with pytest.raises(NotFound):
            await getattr(work, repository).get(new_id())


async def test_another_version_than_the_expected_one_is_stale(begin: Begin) -> None:
    membership = await stored_membership(begin)

    async with begin() as work:
        assert await work.memberships.get(membership.id, expected=1) == membership
        with pytest.raises(StaleVersion):
            await work.memberships.get(membership.id, expected=2)


async def test_of_two_who_read_the_same_version_the_second_to_save_is_stale(begin: Begin) -> None:
    organisation = await stored_organisation(begin)
    async with begin() as work:
        first, second = [await work.organisations.get(organisation.id) for _ in range(2)]
        first.add_contact(a_contact("first@example.org"))
        second.add_contact(a_contact("second@example.org"))
        await work.organisations.save(first)

        with pytest.raises(StaleVersion):
            await work.organisations.save(second)


async def test_the_holder_of_an_identifier_is_found(begin: Begin) -> None:
    organisation, free = await stored_organisation(begin), next(_krs)

    async with begin() as work:
        assert await work.organisations.holder_of([free, *organisation.identifiers]) == (organisation.identifiers[0], organisation.id)
        assert await work.organisations.holder_of([free]) is None
        assert await work.organisations.holder_of([]) is None


async def test_a_network_is_found_by_its_code(begin: Begin) -> None:
    network = a_network(next(_codes))
    async with begin() as work:
        await work.networks.save(network)

        assert await work.networks.coded(network.code) == network.id
        assert await work.networks.coded(network.code.lower()) is None


async def test_a_membership_is_found_by_its_two_sides(begin: Begin) -> None:
    membership = await stored_membership(begin)

    async with begin() as work:
        assert await work.memberships.joining(membership.organisation, membership.network) == membership.id
        assert await work.memberships.joining(membership.organisation, NetworkId(new_id())) is None
        assert await work.memberships.joining(OrganisationId(new_id()), membership.network) is None
