import pytest

from klaster_partners.domain.errors import EmailTaken
from klaster_partners.domain.facts import ContactWasAdded, OrganisationWasRegistered
from klaster_partners.domain.identifiers import Scheme, identifier
from klaster_partners.testing import NOON, a_contact, an_organisation
from klaster_shared.errors import Invalid


def test_registering_is_the_first_fact() -> None:
    organisation = an_organisation("Genopole")

    assert organisation.facts == [OrganisationWasRegistered(organisation=organisation.id, profile=organisation.profile, at=NOON)]


def test_one_identifier_cannot_be_given_twice_in_two_spellings() -> None:
    with pytest.raises(Invalid):
        an_organisation("Genopole", identifier(Scheme.NIP, "8567346215"), identifier(Scheme.NIP, "856-734-62-15"))


def test_an_added_contact_is_a_fact_of_the_organisation() -> None:
    organisation, contact = an_organisation(), a_contact()

    organisation.add_contact(contact)

    assert organisation.contacts == [contact]
    assert organisation.facts[-1] == ContactWasAdded(organisation=organisation.id, contact=contact, at=NOON)


def test_an_organisation_has_one_contact_to_an_address_however_it_is_spelled() -> None:
    organisation = an_organisation()
    organisation.add_contact(a_contact("office@example.org"))

    with pytest.raises(EmailTaken):
        organisation.add_contact(a_contact(" Office@Example.ORG "))


def test_a_refusal_does_not_repeat_the_address() -> None:
    organisation = an_organisation()
    organisation.add_contact(a_contact("office@example.org"))

    with pytest.raises(EmailTaken) as refusal:
        organisation.add_contact(a_contact("office@example.org"))

    assert "office@example.org" not in f"{refusal.value} {refusal.value.fields}"
