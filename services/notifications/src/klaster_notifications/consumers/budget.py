"""What budget says: an event's costs were refused, which concerns those who look after it."""

from klaster_notifications.application.repeat_audiences import repeat_cause
from klaster_notifications.application.tell_contacts import TellContacts, tell_contacts
from klaster_notifications.consumers.causes import HeardWork, cause_of
from klaster_shared.consuming.handling import handlers
from klaster_shared.contracts.budget import CommitmentRefused


async def tell_of_refusal(message: CommitmentRefused, work: HeardWork) -> None:
    await tell_contacts(TellContacts(cause=cause_of(message, work.incoming)), work)


async def repeat_refusal(message: CommitmentRefused, work: HeardWork) -> None:
    await repeat_cause(cause_of(message, work.incoming), work)


HANDLERS = handlers(CommitmentRefused=tell_of_refusal)
REPEATED = handlers(CommitmentRefused=repeat_refusal)
"""In replays."""
