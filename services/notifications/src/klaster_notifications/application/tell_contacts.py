"""One side of the join of causes and contacts; the other is `keep_contact.py`, and both end in `tell_contact`."""

from dataclasses import dataclass

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.application.queue_delivery import queue_delivery
from klaster_notifications.domain.audiences import Cause, Contact, hears_of
from klaster_notifications.domain.delivery import Delivery
from klaster_notifications.domain.ids import OrganisationId
from klaster_notifications.domain.rules import ContactsOf, Rule, rules_for


@dataclass(frozen=True, slots=True, kw_only=True)
class TellContacts:
    cause: Cause


async def tell_contacts(command: TellContacts, work: NotificationsWork) -> list[Delivery]:
    """Keeps the cause, for contacts that arrive later, and tells those who are known."""
    cause = command.cause
    organisations = concerned(cause)
    for organisation in organisations:
        await work.audiences.hold(organisation)
    for organisation in organisations:
        await work.audiences.keep_cause(cause, organisation)
    contacts = [contact for organisation in organisations for contact in await work.audiences.contacts_of(organisation)]
    return [delivery for contact in contacts for delivery in await tell_contact(contact, cause, work)]


async def tell_contact(contact: Contact, cause: Cause, work: NotificationsWork) -> list[Delivery]:
    """The deliveries that were queued; those that existed are left out."""
    if not hears_of(contact, cause):
        return []
    concerned = [
        rule
        for rule, audience in _rules(cause)
        if audience.organisation_in(cause.particulars) == contact.organisation and audience.includes(contact.roles)
    ]
    queued = [await queue_delivery(rule, cause, contact.recipient, work) for rule in concerned]
    return [delivery for delivery in queued if delivery is not None]


def concerned(cause: Cause) -> list[OrganisationId]:
    """The organisations whose contacts may hear of it."""
    return sorted({audience.organisation_in(cause.particulars) for _, audience in _rules(cause)})


def _rules(cause: Cause) -> list[tuple[Rule, ContactsOf]]:
    return [(rule, rule.audience) for rule in rules_for(cause.type, cause.particulars) if isinstance(rule.audience, ContactsOf)]
