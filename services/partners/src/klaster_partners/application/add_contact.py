from dataclasses import dataclass

from klaster_partners.application.ports import PartnersWork
from klaster_partners.domain.contacts import Contact, EmailAddress, Locale
from klaster_partners.domain.ids import ContactId, OrganisationId
from klaster_partners.domain.organisation import Organisation
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AddContact:
    organisation: OrganisationId
    expected: int | None = None
    name: str
    email: EmailAddress
    locale: Locale
    roles: tuple[str, ...] = ()


async def add_contact(command: AddContact, work: PartnersWork) -> Organisation:
    """The new contact is the organisation's last."""
    organisation = await work.organisations.get(command.organisation, command.expected)
    contact = Contact(
        id=ContactId(new_id()),
        name=command.name,
        email=command.email,
        locale=command.locale,
        roles=command.roles,
        added_by=work.actor,
        added_at=work.now,
    )
    organisation.add_contact(contact)
    await work.organisations.save(organisation)
    return organisation
