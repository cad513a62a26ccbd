from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from itertools import product

import pytest

from klaster_partners.adapters.reading import StoredDirectory
from klaster_partners.application.ports import PartnersWork
from klaster_partners.application.queries import MembershipsAsked, OrganisationsAsked
from klaster_partners.bootstrap import Parts
from klaster_partners.domain.ids import OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.profiles import Helix, OrganisationKind, Profile
from klaster_partners.domain.tiers import Tier
from klaster_partners.metrics import PartnersMetrics
from klaster_partners.testing import NOON, OFFICE, a_membership, a_network, an_organisation, day
from klaster_shared.countries import country
from klaster_shared.ids import new_id
from klaster_shared.observability.metrics import new_registry
from klaster_shared.testing.fakes import FixedClock

pytestmark = pytest.mark.engines

type NewWork = Callable[[], AbstractAsyncContextManager[PartnersWork]]

ALL = 200


@pytest.fixture(autouse=True)
async def empty(parts: Parts) -> None:
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE organisation, network, outbox CASCADE")


@pytest.fixture
async def directory(parts: Parts) -> AsyncIterator[StoredDirectory]:
    async with parts.database.connect() as connection:
        yield StoredDirectory(connection)


@pytest.fixture
async def organisations(new_work: NewWork) -> list[Organisation]:
    """The leader and four of the partners of the project."""
    profiles = [
        Profile(
            name="Jagiellońskie Centrum Innowacji",
            short_name="JCI",
            kind=OrganisationKind.BUSINESS_SUPPORT,
            country=country("PL"),
            city="Kraków",
            helix=Helix.BUSINESS,
        ),
        Profile(name="SKEMA Business School", kind=OrganisationKind.UNIVERSITY, country=country("FR"), helix=Helix.EDUCATION),
        Profile(name="Genopole", kind=OrganisationKind.BUSINESS_SUPPORT, country=country("FR"), helix=Helix.BIOF),
        Profile(name="Latvijas Biotehnoloģijas asociācija", short_name="LBA", kind=OrganisationKind.CLUSTER, country=country("LV")),
        Profile(name="Midlothian Council", kind=OrganisationKind.PUBLIC_AUTHORITY, country=country("GB"), helix=Helix.GOVERNMENT),
    ]
    made = [Organisation.registered(OrganisationId(new_id()), profile, (), by=OFFICE, at=NOON) for profile in profiles]
    async with new_work() as work:
        for organisation in made:
            await work.organisations.save(organisation)
    return made


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (OrganisationsAsked(), [0, 1, 2, 3, 4]),
        (OrganisationsAsked(country=country("FR")), [1, 2]),
        (OrganisationsAsked(kind=OrganisationKind.BUSINESS_SUPPORT), [0, 2]),
        (OrganisationsAsked(helix=Helix.EDUCATION), [1]),
        (OrganisationsAsked(country=country("FR"), kind=OrganisationKind.BUSINESS_SUPPORT), [2]),
        (OrganisationsAsked(country=country("ES")), []),
        (OrganisationsAsked(name_part="jagiellonskie"), [0]),
        (OrganisationsAsked(name_part="JAGIELLOŃSKIE CENTRUM"), [0]),
        (OrganisationsAsked(name_part="biotehnologijas"), [3]),
        (OrganisationsAsked(name_part="jci"), [0]),
        (OrganisationsAsked(name_part="%"), []),
        (OrganisationsAsked(name_part="_"), []),
        (OrganisationsAsked(name_part="e"), [0, 1, 2, 3]),
    ],
)
async def test_organisations_are_filtered(
    directory: StoredDirectory, organisations: list[Organisation], asked: OrganisationsAsked, names: list[int]
) -> None:
    found = await directory.organisations(asked, after=None, rows=ALL)

    assert [organisation.profile.name for organisation in found] == [organisations[index].profile.name for index in names]


async def test_a_page_begins_after_the_last_id_of_the_page_before(directory: StoredDirectory, organisations: list[Organisation]) -> None:
    found = await directory.organisations(OrganisationsAsked(), after=organisations[1].id, rows=2)

    assert [organisation.id for organisation in found] == [organisations[2].id, organisations[3].id]


@pytest.fixture
async def memberships(new_work: NewWork) -> list[Membership]:
    """An applicant, an admitted one, an upgraded one, one raised twice within a day, and one whose admission lies ahead."""
    network = a_network()
    members = [an_organisation(f"Member {number}") for number in range(5)]
    asked = [a_membership(applied_on=f"2011-0{number + 1}-01", organisation=member.id, network=network.id) for number, member in enumerate(members)]
    asked[1].admitted(Tier.OBSERVER, on="2011-02-01")
    asked[2].admitted(Tier.ASSOCIATE, on="2011-05-01").upgraded(Tier.FULL, on="2012-01-01")
    asked[3].admitted(Tier.OBSERVER, on="2011-06-01").upgraded(Tier.ASSOCIATE, on="2011-06-01").upgraded(Tier.FULL, on="2011-06-02")
    asked[4].admitted(Tier.FULL, on="2030-01-01")
    made = [builder.build() for builder in asked]
    async with new_work() as work:
        await work.networks.save(network)
        for member, membership in zip(members, made, strict=True):
            await work.organisations.save(member)
            await work.memberships.save(membership)
    return made


async def test_sql_and_domain_agree_on_the_tier_of_every_day(directory: StoredDirectory, memberships: list[Membership]) -> None:
    edges = {change.effective_on for membership in memberships for change in membership.history} | {each.applied_on for each in memberships}
    days = sorted({edge + timedelta(days=shift) for edge in edges for shift in (-1, 0, 1)})

    for on, tier in product(days, [None, *Tier]):
        found = await directory.memberships(MembershipsAsked(on=on, tier=tier), after=None, rows=ALL)
        expected = [each.id for each in memberships if each.applied_on <= on and tier in {None, each.tier_on(on)}]
        assert [membership.id for membership in found] == expected, (on, tier)


async def test_memberships_are_found_by_organisation_and_by_network(directory: StoredDirectory, memberships: list[Membership]) -> None:
    one, today = memberships[2], day("2012-06-01")

    by_organisation = await directory.memberships(MembershipsAsked(on=today, organisation=one.organisation), after=None, rows=ALL)
    by_network = await directory.memberships(MembershipsAsked(on=today, network=one.network), after=None, rows=ALL)

    assert by_organisation == [one]
    assert by_network == memberships


async def test_gauges_show_the_census_of_the_day(parts: Parts, memberships: list[Membership]) -> None:
    registry = new_registry()
    metrics = PartnersMetrics(registry, FixedClock(NOON.replace(month=6, day=1)))

    async with parts.database.connect() as connection:
        await metrics.refresh(connection)

    def shown(standing: str, tier: str) -> float | None:
        return registry.get_sample_value("klaster_partners_memberships", {"standing": standing, "tier": tier})

    assert registry.get_sample_value("klaster_partners_organisations") == len(memberships)
    assert registry.get_sample_value("klaster_partners_networks") == 1
    assert [shown("applied", ""), shown("active", "observer"), shown("active", "associate"), shown("active", "full")] == [2, 1, 2, 0]
