"""One side of the join of causes and contacts; the other is `keep_contact.py`, and both end in `tell_contact`."""

from dataclasses import dataclass

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.application.queue_delivery import queue_delivery
from klaster_notifications.domain.audiences import Cause, Contact, hears_of
from klaster_notifications.domain.delivery import Delivery
from klaster_notifications.domain.ids import OrganisationId
from klaster_notifications.domain.rules import ContactsOf, rules_for


@dataclass(frozen=True, slots=True, kw_only=True)
class TellContacts:
    cause: Cause
    organisation: OrganisationId


async def tell_contacts(command: TellContacts, work: NotificationsWork) -> list[Delivery]:
    """Keeps the cause, for contacts that arrive later, and tells those who are known."""
    await work.audiences.hold(command.organisation)
    await work.audiences.keep_cause(command.cause, command.organisation)
    contacts = await work.audiences.contacts_of(command.organisation)
    return [delivery for contact in contacts for delivery in await tell_contact(contact, command.cause, work)]


async def tell_contact(contact: Contact, cause: Cause, work: NotificationsWork) -> list[Delivery]:
    """The deliveries that were queued; those that existed are left out."""
    if not hears_of(contact, cause):
        return []
    rules = [rule for rule in rules_for(cause.type, cause.particulars) if isinstance(rule.audience, ContactsOf) and rule.audience.includes(contact.roles)]
    queued = [await queue_delivery(rule, cause, contact.recipient, work) for rule in rules]
    return [delivery for delivery in queued if delivery is not None]
