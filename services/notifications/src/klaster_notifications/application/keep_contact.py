"""One side of the join of causes and contacts; the other is `tell_contacts.py`."""

from dataclasses import dataclass

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.application.tell_contacts import tell_contact
from klaster_notifications.domain.audiences import Contact
from klaster_notifications.domain.delivery import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepContact:
    contact: Contact


async def keep_contact(command: KeepContact, work: NotificationsWork) -> list[Delivery]:
    """Keeps the contact, for causes that arrive later, and tells it of those that are known."""
    contact = command.contact
    await work.audiences.hold(contact.organisation)
    await work.audiences.keep_contact(contact)
    causes = await work.audiences.causes_of(contact.organisation)
    return [delivery for cause in causes for delivery in await tell_contact(contact, cause, work)]
