from dataclasses import dataclass
from datetime import date

from klaster_partners.application.ports import PartnersWork
from klaster_partners.domain.errors import AlreadyApplied
from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyForMembership:
    organisation: OrganisationId
    network: NetworkId
    applied_on: date


async def apply_for_membership(command: ApplyForMembership, work: PartnersWork) -> Membership:
    """Raises NotFound for an unknown organisation or network, AlreadyApplied when the two are joined already."""
    organisation = await work.organisations.get(command.organisation)
    network = await work.networks.get(command.network)
    existing = await work.memberships.joining(organisation.id, network.id)
    if existing is not None:
        raise AlreadyApplied(existing)
    membership = Membership.applied(MembershipId(new_id()), organisation.id, network.id, on=command.applied_on, by=work.actor, at=work.now)
    await work.memberships.save(membership)
    return membership
