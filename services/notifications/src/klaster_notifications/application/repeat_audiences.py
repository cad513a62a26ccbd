"""What others said of audiences, kept once more and nothing else: for replays, in which nobody is told anything.

The one rule: what is written follows from the message alone, so that contacts and causes can be thrown away and built again.
"""

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.application.tell_contacts import concerned
from klaster_notifications.domain.audiences import Cause, Contact


async def repeat_contact(contact: Contact, work: NotificationsWork) -> None:
    await work.audiences.keep_contact(contact)


async def repeat_cause(cause: Cause, work: NotificationsWork) -> None:
    for organisation in concerned(cause):
        await work.audiences.keep_cause(cause, organisation)
