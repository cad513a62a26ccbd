from dataclasses import dataclass

from klaster_partners.application.ports import PartnersWork
from klaster_partners.domain.errors import IdentifierTaken
from klaster_partners.domain.identifiers import Identifier
from klaster_partners.domain.ids import OrganisationId
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.profiles import Profile
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterOrganisation:
    profile: Profile
    identifiers: tuple[Identifier, ...] = ()


async def register_organisation(command: RegisterOrganisation, work: PartnersWork) -> Organisation:
    """Raises IdentifierTaken when another organisation has one of the identifiers."""
    organisation = Organisation.registered(OrganisationId(new_id()), command.profile, command.identifiers, by=work.actor, at=work.now)
    taken = await work.organisations.holder_of(command.identifiers)
    if taken is not None:
        raise IdentifierTaken(*taken)
    await work.organisations.save(organisation)
    return organisation
