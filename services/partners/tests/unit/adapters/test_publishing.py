from klaster_partners.adapters.publishing import to_message
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.profiles import Helix, OrganisationKind, Profile, Size
from klaster_partners.domain.tiers import Tier
from klaster_partners.testing import NOON, OFFICE, a_contact, a_membership, a_network, an_organisation
from klaster_shared.countries import country


def body(fact: object) -> dict[str, object]:
    return to_message(fact).model_dump(mode="json")  # type: ignore[arg-type]  # facts of an aggregate are untyped by design


def test_organisation_registered_says_what_it_is_and_not_its_identifiers() -> None:
    profile = Profile(
        name="Genopole", kind=OrganisationKind.BUSINESS_SUPPORT, country=country("FR"), city="Évry", helix=Helix.BUSINESS, size=Size.MEDIUM
    )
    organisation = Organisation.registered(an_organisation().id, profile, (), by=OFFICE, at=NOON)

    assert body(organisation.facts[0]) == {
        "organisation_id": str(organisation.id),
        "name": "Genopole",
        "kind": "business_support",
        "country": "FR",
        "helix": "Biz",
        "size": "medium",
    }


def test_contact_added_says_how_to_write_to_the_person() -> None:
    organisation, contact = an_organisation(), a_contact("zin-member-01@example.org")
    organisation.add_contact(contact)

    assert body(organisation.facts[-1]) == {
        "contact_id": str(contact.id),
        "organisation_id": str(organisation.id),
        "name": "ZIN member 01",
        "email": "zin-member-01@example.org",
        "locale": "pl",
        "roles": ["event_manager"],
    }


def test_network_registered() -> None:
    network = a_network("GIN")

    assert body(network.facts[0]) == {"network_id": str(network.id), "code": "GIN", "name": "Global Innovation Network"}


def test_each_step_of_a_membership_is_told_with_the_tier_before_it() -> None:
    membership = a_membership(applied_on="2011-04-01").admitted(Tier.ASSOCIATE, on="2011-05-01").upgraded(Tier.FULL, on="2012-01-01").build()
    sides = {
        "membership_id": str(membership.id),
        "organisation_id": str(membership.organisation),
        "network_id": str(membership.network),
        "applied_on": "2011-04-01",
    }

    applied, admitted, upgraded = (body(fact) for fact in membership.facts)

    assert applied == sides
    assert admitted == sides | {"from_tier": None, "tier": "associate", "effective_on": "2011-05-01", "decision": "3/2011"}
    assert upgraded == sides | {
        "from_tier": "associate",
        "tier": "full",
        "effective_on": "2012-01-01",
        "decision": "3/2011",
        "organisation_name": "Klaster LifeScience Kraków",
        "network_code": "GIN",
        "network_name": "Global Innovation Network",
    }
