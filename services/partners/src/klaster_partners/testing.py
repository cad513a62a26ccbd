"""One vocabulary for every test that needs partners: builders of aggregates and a work without a database."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self
from uuid import UUID

from klaster_partners.domain.contacts import Contact, Locale, email_address
from klaster_partners.domain.facts import Parties
from klaster_partners.domain.identifiers import Identifier
from klaster_partners.domain.ids import ContactId, MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.network import Network
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.profiles import OrganisationKind, Profile
from klaster_partners.domain.tiers import Tier, TierChange
from klaster_shared.aggregates import Fact
from klaster_shared.clock import Instant, day_in_warsaw
from klaster_shared.countries import country
from klaster_shared.errors import NotFound, StaleVersion
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


class _Shelf[A: (Organisation, Network, Membership)]:
    """Keeps copies, so that what a test holds and what is stored never are the same object."""

    def __init__(self, what: str, facts: list[Fact]) -> None:
        self._what = what
        self._facts = facts
        self._kept: dict[UUID, A] = {}

    def all(self) -> Iterator[A]:
        return iter(self._kept.values())

    async def get(self, key: UUID, expected: int | None = None) -> A:
        if key not in self._kept:
            raise NotFound(self._what, key)
        found = self._kept[key]
        if expected not in {None, found.version}:
            raise StaleVersion(self._what, key, expected=expected, found=found.version)
        return deepcopy(found)

    async def save(self, aggregate: A) -> None:
        stored = self._kept.get(aggregate.id)
        if aggregate.version != (stored.version if stored else 0):
            raise StaleVersion(self._what, aggregate.id, expected=aggregate.version)
        self._facts.extend(aggregate.stored())
        self._kept[aggregate.id] = deepcopy(aggregate)


class InMemoryOrganisations(_Shelf[Organisation]):
    async def holder_of(self, identifiers: Sequence[Identifier]) -> tuple[Identifier, OrganisationId] | None:
        held = {identifier: organisation.id for organisation in self.all() for identifier in organisation.identifiers}
        return next(((identifier, held[identifier]) for identifier in identifiers if identifier in held), None)


class InMemoryNetworks(_Shelf[Network]):
    async def coded(self, code: str) -> NetworkId | None:
        return next((network.id for network in self.all() if network.code == code), None)


class InMemoryMemberships(_Shelf[Membership]):
    async def joining(self, organisation: OrganisationId, network: NetworkId) -> MembershipId | None:
        sides = (organisation, network)
        return next((kept.id for kept in self.all() if (kept.organisation, kept.network) == sides), None)


class InMemoryWork:
    """The port `application.ports.PartnersWork` without a database; `facts` are those of everything saved, in order."""

    def __init__(self, *, now: Instant = NOON, actor: str = OFFICE) -> None:
        self.now = now
        self.today = day_in_warsaw(now)
        self.actor = actor
        self.facts: list[Fact] = []
        self.organisations = InMemoryOrganisations("organisation", self.facts)
        self.networks = InMemoryNetworks("network", self.facts)
        self.memberships = InMemoryMemberships("membership", self.facts)
