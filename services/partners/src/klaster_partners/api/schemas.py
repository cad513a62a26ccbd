"""What clients write and read. Forms are checked here, rules in the domain; neither the aggregates nor the messages show through."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from klaster_partners.application.add_contact import AddContact
from klaster_partners.application.admit_member import AdmitMember
from klaster_partners.application.apply_for_membership import ApplyForMembership
from klaster_partners.application.register_network import RegisterNetwork
from klaster_partners.application.register_organisation import RegisterOrganisation
from klaster_partners.application.upgrade_membership import UpgradeMembership
from klaster_partners.domain.contacts import Contact, Locale, email_address
from klaster_partners.domain.identifiers import Scheme, identifier
from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.network import Network
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.profiles import Helix, OrganisationKind, Profile, Size
from klaster_partners.domain.tiers import Standing, Tier, TierChange
from klaster_shared.countries import country
from klaster_shared.web.fields import Body, Code, Day, Email, InstantOut, Line, Resource, Text

CountryCode = Annotated[str, Text(2), Field(description="ISO 3166-1 alpha-2.", examples=["PL"])]


class IdentifierIn(Body):
    scheme: Scheme
    value: Code


class OrganisationIn(Body):
    name: Line
    short_name: Line | None = None
    kind: OrganisationKind
    country: CountryCode
    city: Line | None = None
    helix: Helix | None = None
    size: Size | None = None
    identifiers: list[IdentifierIn] = Field(default=[], max_length=20)

    def command(self) -> RegisterOrganisation:
        """Raises Invalid for a country or an identifier that does not exist."""
        return RegisterOrganisation(
            profile=Profile(
                name=self.name,
                short_name=self.short_name,
                kind=self.kind,
                country=country(self.country),
                city=self.city,
                helix=self.helix,
                size=self.size,
            ),
            identifiers=tuple(identifier(given.scheme, given.value) for given in self.identifiers),
        )


class IdentifierOut(Resource):
    scheme: Scheme
    value: str


class OrganisationOut(Resource):
    id: UUID
    name: str
    short_name: str | None
    kind: OrganisationKind
    country: str
    city: str | None
    helix: Helix | None
    size: Size | None
    identifiers: list[IdentifierOut]
    registered_by: str
    registered_at: InstantOut

    @classmethod
    def of(cls, organisation: Organisation) -> Self:
        profile = organisation.profile
        return cls(
            id=organisation.id,
            name=profile.name,
            short_name=profile.short_name,
            kind=profile.kind,
            country=profile.country,
            city=profile.city,
            helix=profile.helix,
            size=profile.size,
            identifiers=[IdentifierOut(scheme=each.scheme, value=each.value) for each in organisation.identifiers],
            registered_by=organisation.registered_by,
            registered_at=organisation.registered_at,
        )


class ContactIn(Body):
    name: Line
    email: Email
    locale: Locale
    roles: list[Code] = Field(default=[], max_length=20, examples=[["event_manager"]])

    def command(self, organisation: OrganisationId, expected: int | None) -> AddContact:
        return AddContact(
            organisation=organisation,
            expected=expected,
            name=self.name,
            email=email_address(self.email),
            locale=self.locale,
            roles=tuple(dict.fromkeys(self.roles)),
        )


class ContactOut(Resource):
    id: UUID
    organisation_id: UUID
    name: str
    email: str
    locale: Locale
    roles: list[str]
    added_by: str
    added_at: InstantOut

    @classmethod
    def of(cls, contact: Contact, organisation: OrganisationId) -> Self:
        return cls(
            id=contact.id,
            organisation_id=organisation,
            name=contact.name,
            email=contact.email,
            locale=contact.locale,
            roles=list(contact.roles),
            added_by=contact.added_by,
            added_at=contact.added_at,
        )


class NetworkIn(Body):
    code: Code
    name: Line

    def command(self) -> RegisterNetwork:
        return RegisterNetwork(code=self.code, name=self.name)


class NetworkOut(Resource):
    id: UUID
    code: str
    name: str
    registered_by: str
    registered_at: InstantOut

    @classmethod
    def of(cls, network: Network) -> Self:
        return cls(id=network.id, code=network.code, name=network.name, registered_by=network.registered_by, registered_at=network.registered_at)


class MembershipIn(Body):
    organisation_id: UUID
    network_id: UUID
    applied_on: Day

    def command(self) -> ApplyForMembership:
        return ApplyForMembership(organisation=OrganisationId(self.organisation_id), network=NetworkId(self.network_id), applied_on=self.applied_on)


class TierChangeIn(Body):
    tier: Tier
    effective_on: Day
    decision: Annotated[str, Text(500), Field(description="Cites the network's resolution.", examples=["3/2011"])]

    def admission(self, membership: MembershipId, expected: int | None) -> AdmitMember:
        return AdmitMember(membership=membership, expected=expected, tier=self.tier, effective_on=self.effective_on, decision=self.decision)

    def upgrade(self, membership: MembershipId, expected: int | None) -> UpgradeMembership:
        return UpgradeMembership(membership=membership, expected=expected, tier=self.tier, effective_on=self.effective_on, decision=self.decision)


class TierChangeOut(Resource):
    tier: Tier
    effective_on: date
    decision: str
    decided_by: str
    decided_at: InstantOut

    @classmethod
    def of(cls, change: TierChange) -> Self:
        return cls(
            tier=change.tier,
            effective_on=change.effective_on,
            decision=change.decision,
            decided_by=change.decided_by,
            decided_at=change.decided_at,
        )


class MembershipOut(Resource):
    """`tier` and `standing` are those of the day that was asked about, today if none was; `history` holds all decisions, later ones too."""

    id: UUID
    organisation_id: UUID
    network_id: UUID
    tier: Tier | None
    standing: Standing
    applied_on: date
    history: list[TierChangeOut]
    applied_by: str
    applied_at: InstantOut

    @classmethod
    def of(cls, membership: Membership, *, on: date) -> Self:
        return cls(
            id=membership.id,
            organisation_id=membership.organisation,
            network_id=membership.network,
            tier=membership.tier_on(on),
            standing=membership.standing_on(on),
            applied_on=membership.applied_on,
            history=[TierChangeOut.of(change) for change in membership.history],
            applied_by=membership.applied_by,
            applied_at=membership.applied_at,
        )
