import pytest

from klaster_partners.application.register_organisation import RegisterOrganisation, register_organisation
from klaster_partners.domain.errors import IdentifierTaken
from klaster_partners.domain.facts import OrganisationWasRegistered
from klaster_partners.domain.identifiers import Scheme, identifier
from klaster_partners.testing import NOON, OFFICE, InMemoryWork, a_profile, an_organisation

NIP = identifier(Scheme.NIP, "8567346215")
REGON = identifier(Scheme.REGON, "192598184")


async def test_an_organisation_is_stored_with_who_registered_it_and_when() -> None:
    work = InMemoryWork()

    registered = await register_organisation(RegisterOrganisation(profile=a_profile(), identifiers=(NIP,)), work)

    stored = await work.organisations.get(registered.id)
    assert (stored.profile, stored.identifiers, stored.registered_by, stored.registered_at) == (a_profile(), (NIP,), OFFICE, NOON)
    assert [type(fact) for fact in work.facts] == [OrganisationWasRegistered]


async def test_an_identifier_of_another_organisation_is_refused_and_names_the_other() -> None:
    work, other = InMemoryWork(), an_organisation("Genopole", REGON)
    await work.organisations.save(other)

    with pytest.raises(IdentifierTaken) as refusal:
        await register_organisation(RegisterOrganisation(profile=a_profile(), identifiers=(NIP, REGON)), work)

    assert refusal.value.fields == {"scheme": "regon", "organisation_id": str(other.id)}


async def test_organisations_may_share_a_name() -> None:
    work = InMemoryWork()
    await work.organisations.save(an_organisation("Genopole"))

    registered = await register_organisation(RegisterOrganisation(profile=a_profile("Genopole")), work)

    assert registered.version == 1
