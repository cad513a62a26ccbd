import pytest

from klaster_partners.application.add_contact import AddContact, add_contact
from klaster_partners.domain.contacts import Locale, email_address
from klaster_partners.domain.errors import EmailTaken
from klaster_partners.domain.ids import OrganisationId
from klaster_partners.domain.organisation import Organisation
from klaster_partners.testing import NOON, OFFICE, InMemoryWork, an_organisation
from klaster_shared.errors import NotFound, StaleVersion
from klaster_shared.ids import new_id


@pytest.fixture
def work() -> InMemoryWork:
    return InMemoryWork()


@pytest.fixture
async def organisation(work: InMemoryWork) -> Organisation:
    registered = an_organisation()
    await work.organisations.save(registered)
    return registered


def command(organisation: OrganisationId, expected: int | None = None) -> AddContact:
    return AddContact(
        organisation=organisation,
        expected=expected,
        name="ZIN member 01",
        email=email_address("zin-member-01@example.org"),
        locale=Locale.PL,
        roles=("event_manager",),
    )


async def test_the_contact_is_the_last_of_its_organisation_and_keeps_who_added_it(work: InMemoryWork, organisation: Organisation) -> None:
    changed = await add_contact(command(organisation.id), work)

    contact = changed.contacts[-1]
    assert (contact.email, contact.added_by, contact.added_at) == ("zin-member-01@example.org", OFFICE, NOON)


async def test_adding_moves_the_version_of_the_organisation(work: InMemoryWork, organisation: Organisation) -> None:
    changed = await add_contact(command(organisation.id, expected=1), work)

    assert changed.version == 2


async def test_an_organisation_changed_in_between_is_stale(work: InMemoryWork, organisation: Organisation) -> None:
    await add_contact(command(organisation.id), work)

    with pytest.raises(StaleVersion):
        await add_contact(command(organisation.id, expected=1), work)


async def test_a_second_contact_with_the_address_is_refused(work: InMemoryWork, organisation: Organisation) -> None:
    await add_contact(command(organisation.id), work)

    with pytest.raises(EmailTaken):
        await add_contact(command(organisation.id), work)


async def test_an_unknown_organisation_has_no_contacts_to_add(work: InMemoryWork) -> None:
    with pytest.raises(NotFound):
        await add_contact(command(OrganisationId(new_id())), work)
