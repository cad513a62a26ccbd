"""The routes: parse, call, translate."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from klaster_partners.api.dependencies import Asked, Today, Work
from klaster_partners.api.schemas import (
    ContactIn,
    ContactOut,
    CountryCode,
    MembershipIn,
    MembershipOut,
    NetworkIn,
    NetworkOut,
    OrganisationIn,
    OrganisationOut,
    TierChangeIn,
)
from klaster_partners.application.add_contact import add_contact
from klaster_partners.application.admit_member import admit_member
from klaster_partners.application.apply_for_membership import apply_for_membership
from klaster_partners.application.queries import MembershipsAsked, OrganisationsAsked
from klaster_partners.application.register_network import register_network
from klaster_partners.application.register_organisation import register_organisation
from klaster_partners.application.upgrade_membership import upgrade_membership
from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.profiles import Helix, OrganisationKind
from klaster_partners.domain.tiers import Tier
from klaster_shared.countries import country as country_of
from klaster_shared.errors import NotFound
from klaster_shared.web.commands import CommandRoute
from klaster_shared.web.etags import IfMatch, created, tag_response
from klaster_shared.web.fields import Day, Text
from klaster_shared.web.pagination import Page, PageOf

router = APIRouter(prefix="/v1", route_class=CommandRoute)


@router.post("/organisations", status_code=201, tags=["organisations"])
async def register_an_organisation(body: OrganisationIn, work: Work, response: Response) -> OrganisationOut:
    organisation = await register_organisation(body.command(), work)
    created(response, f"/v1/organisations/{organisation.id}", organisation.version)
    return OrganisationOut.of(organisation)


@router.get("/organisations", tags=["organisations"])
async def list_organisations(
    asked: Asked,
    paging: PageOf,
    country: Annotated[CountryCode | None, Query()] = None,
    kind: OrganisationKind | None = None,
    helix: Helix | None = None,
    q: Annotated[str | None, Text(200), Query(description="Part of the name or the short name; case and diacritics are ignored.")] = None,
) -> Page[OrganisationOut]:
    wanted = OrganisationsAsked(country=country_of(country) if country else None, kind=kind, helix=helix, name_part=q)
    found = await asked.organisations(wanted, after=paging.after, rows=paging.rows)
    return paging.page([OrganisationOut.of(organisation) for organisation in found])


@router.get("/organisations/{organisation_id}", tags=["organisations"])
async def get_organisation(organisation_id: OrganisationId, asked: Asked, response: Response) -> OrganisationOut:
    organisation = await asked.organisation(organisation_id)
    tag_response(response, organisation.version)
    return OrganisationOut.of(organisation)


@router.post("/organisations/{organisation_id}/contacts", status_code=201, tags=["organisations"])
async def add_a_contact(organisation_id: OrganisationId, body: ContactIn, work: Work, response: Response, expected: IfMatch) -> ContactOut:
    """The ETag is the organisation's version: an organisation and its contacts change together."""
    organisation = await add_contact(body.command(organisation_id, expected), work)
    contact = organisation.contacts[-1]
    created(response, f"/v1/organisations/{organisation.id}/contacts/{contact.id}", organisation.version)
    return ContactOut.of(contact, organisation.id)


@router.get("/organisations/{organisation_id}/contacts", tags=["organisations"])
async def list_contacts(organisation_id: OrganisationId, asked: Asked, paging: PageOf) -> Page[ContactOut]:
    organisation = await asked.organisation(organisation_id)
    following = [contact for contact in organisation.contacts if paging.after is None or contact.id > paging.after]
    return paging.page([ContactOut.of(contact, organisation.id) for contact in following[: paging.rows]])


@router.get("/organisations/{organisation_id}/contacts/{contact_id}", tags=["organisations"])
async def get_contact(organisation_id: OrganisationId, contact_id: UUID, asked: Asked, response: Response) -> ContactOut:
    organisation = await asked.organisation(organisation_id)
    contact = next((contact for contact in organisation.contacts if contact.id == contact_id), None)
    if contact is None:
        raise NotFound("contact", contact_id)
    tag_response(response, organisation.version)
    return ContactOut.of(contact, organisation.id)


@router.post("/networks", status_code=201, tags=["networks"])
async def register_a_network(body: NetworkIn, work: Work, response: Response) -> NetworkOut:
    network = await register_network(body.command(), work)
    created(response, f"/v1/networks/{network.id}", network.version)
    return NetworkOut.of(network)


@router.get("/networks", tags=["networks"])
async def list_networks(asked: Asked, paging: PageOf) -> Page[NetworkOut]:
    found = await asked.networks(after=paging.after, rows=paging.rows)
    return paging.page([NetworkOut.of(network) for network in found])


@router.get("/networks/{network_id}", tags=["networks"])
async def get_network(network_id: NetworkId, asked: Asked, response: Response) -> NetworkOut:
    network = await asked.network(network_id)
    tag_response(response, network.version)
    return NetworkOut.of(network)


@router.post("/memberships", status_code=201, tags=["memberships"])
async def apply(body: MembershipIn, work: Work, response: Response) -> MembershipOut:
    membership = await apply_for_membership(body.command(), work)
    created(response, f"/v1/memberships/{membership.id}", membership.version)
    return MembershipOut.of(membership, on=work.today)


@router.post("/memberships/{membership_id}/admit", tags=["memberships"])
async def admit(membership_id: MembershipId, body: TierChangeIn, work: Work, response: Response, expected: IfMatch) -> MembershipOut:
    membership = await admit_member(body.admission(membership_id, expected), work)
    tag_response(response, membership.version)
    return MembershipOut.of(membership, on=work.today)


@router.post("/memberships/{membership_id}/upgrade", tags=["memberships"])
async def upgrade(membership_id: MembershipId, body: TierChangeIn, work: Work, response: Response, expected: IfMatch) -> MembershipOut:
    membership = await upgrade_membership(body.upgrade(membership_id, expected), work)
    tag_response(response, membership.version)
    return MembershipOut.of(membership, on=work.today)


@router.get("/memberships", tags=["memberships"])
async def list_memberships(
    asked: Asked,
    paging: PageOf,
    today: Today,
    network_id: UUID | None = None,
    organisation_id: UUID | None = None,
    tier: Tier | None = None,
    as_of: Annotated[Day | None, Query(description="Default: today in Europe/Warsaw.")] = None,
) -> Page[MembershipOut]:
    """Tier and standing as they were on the day `as_of`; what was applied for later is absent."""
    wanted = MembershipsAsked(
        on=as_of or today,
        organisation=OrganisationId(organisation_id) if organisation_id else None,
        network=NetworkId(network_id) if network_id else None,
        tier=tier,
    )
    found = await asked.memberships(wanted, after=paging.after, rows=paging.rows)
    return paging.page([MembershipOut.of(membership, on=wanted.on) for membership in found])


@router.get("/memberships/{membership_id}", tags=["memberships"])
async def get_membership(membership_id: MembershipId, asked: Asked, today: Today, response: Response) -> MembershipOut:
    membership = await asked.membership(membership_id)
    tag_response(response, membership.version)
    return MembershipOut.of(membership, on=today)
