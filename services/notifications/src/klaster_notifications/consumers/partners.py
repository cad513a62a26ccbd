"""What partners says: who speaks for an organisation, and whose membership rose."""

from klaster_notifications.application.keep_contact import KeepContact, keep_contact
from klaster_notifications.application.repeat_audiences import repeat_cause, repeat_contact
from klaster_notifications.application.tell_contacts import TellContacts, tell_contacts
from klaster_notifications.consumers.causes import HeardWork, cause_of, recorded_at
from klaster_notifications.domain.audiences import Contact
from klaster_notifications.domain.ids import OrganisationId, RecipientId
from klaster_notifications.domain.recipients import Locale, Recipient, RecipientKind, email_address
from klaster_shared.consuming.handling import handlers
from klaster_shared.contracts.partners import ContactAdded, MembershipUpgraded


async def keep_new_contact(message: ContactAdded, work: HeardWork) -> None:
    await keep_contact(KeepContact(contact=_contact(message, work)), work)


async def tell_of_upgrade(message: MembershipUpgraded, work: HeardWork) -> None:
    await tell_contacts(TellContacts(cause=cause_of(message, work.incoming)), work)


async def repeat_new_contact(message: ContactAdded, work: HeardWork) -> None:
    await repeat_contact(_contact(message, work), work)


async def repeat_upgrade(message: MembershipUpgraded, work: HeardWork) -> None:
    await repeat_cause(cause_of(message, work.incoming), work)


HANDLERS = handlers(ContactAdded=keep_new_contact, MembershipUpgraded=tell_of_upgrade)
REPEATED = handlers(ContactAdded=repeat_new_contact, MembershipUpgraded=repeat_upgrade)
"""In replays."""


def _contact(message: ContactAdded, work: HeardWork) -> Contact:
    recipient = Recipient(
        id=RecipientId(message.contact_id),
        kind=RecipientKind.CONTACT,
        name=message.name,
        address=email_address(message.email),
        locale=Locale(message.locale),
    )
    return Contact(
        recipient=recipient,
        organisation=OrganisationId(message.organisation_id),
        roles=message.roles,
        recorded_at=recorded_at(work.incoming),
    )
