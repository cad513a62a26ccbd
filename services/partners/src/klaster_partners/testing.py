"""One vocabulary for every test that needs partners: builders of aggregates and a work without a database."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from klaster_partners.domain.contacts import Contact, Locale, email_address
from klaster_partners.domain.countries import country
from klaster_partners.domain.facts import Parties
from klaster_partners.domain.identifiers import Identifier
from klaster_partners.domain.ids import ContactId, MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.network import Network
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.profiles import OrganisationKind, Profile
from klaster_partners.domain.tiers import Tier, TierChange
from klaster_shared.ids import new_id

NOON = datetime(2011, 4, 4, 12, tzinfo=UTC)
OFFICE = "office"
PARTIES = Parties(organisation_name="Klaster LifeScience Kraków", network_code="GIN", network_name="Global Innovation Network")


def day(text: str) -> date:
    return date.fromisoformat(text)


def a_profile(name: str = "Klaster LifeScience Kraków") -> Profile:
    return Profile(name=name, kind=OrganisationKind.CLUSTER, country=country("PL"))


def a_contact(email: str = "zin-member-01@example.org") -> Contact:
    return Contact(
        id=ContactId(new_id()),
        name="ZIN member 01",
        email=email_address(email),
        locale=Locale.PL,
        roles=("event_manager",),
        added_by=OFFICE,
        added_at=NOON,
    )


def a_change(tier: Tier, *, on: str, decision: str = "3/2011") -> TierChange:
    return TierChange(tier=tier, effective_on=day(on), decision=decision, decided_by=OFFICE, decided_at=NOON)


def an_organisation(name: str = "Klaster LifeScience Kraków", *identifiers: Identifier) -> Organisation:
    return Organisation.registered(OrganisationId(new_id()), a_profile(name), identifiers, by=OFFICE, at=NOON)


def a_network(code: str = "GIN") -> Network:
    return Network.registered(NetworkId(new_id()), code=code, name="Global Innovation Network", by=OFFICE, at=NOON)


@dataclass(slots=True)
class MembershipBuilder:
    """`a_membership().admitted(Tier.ASSOCIATE, on="2011-05-01").build()`: a membership that was never stored, its facts recorded."""

    membership: Membership

    def admitted(self, tier: Tier, *, on: str) -> Self:
        self.membership.admit(a_change(tier, on=on))
        return self

    def upgraded(self, tier: Tier, *, on: str) -> Self:
        self.membership.upgrade(a_change(tier, on=on), parties=PARTIES)
        return self

    def build(self) -> Membership:
        return self.membership


def a_membership(
    *, applied_on: str = "2011-04-01", organisation: OrganisationId | None = None, network: NetworkId | None = None
) -> MembershipBuilder:
    return MembershipBuilder(
        Membership.applied(
            MembershipId(new_id()),
            organisation or OrganisationId(new_id()),
            network or NetworkId(new_id()),
            on=day(applied_on),
            by=OFFICE,
            at=NOON,
        )
    )
