from dataclasses import dataclass

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.application.queue_delivery import queue_delivery
from klaster_notifications.domain.audiences import Cause
from klaster_notifications.domain.delivery import Delivery
from klaster_notifications.domain.recipients import Recipient
from klaster_notifications.domain.rules import Registrant, rules_for


@dataclass(frozen=True, slots=True, kw_only=True)
class TellRegistrant:
    cause: Cause
    registrant: Recipient


async def tell_registrant(command: TellRegistrant, work: NotificationsWork) -> list[Delivery]:
    """The deliveries that were queued; those that existed are left out."""
    rules = [rule for rule in rules_for(command.cause.type, command.cause.particulars) if isinstance(rule.audience, Registrant)]
    queued = [await queue_delivery(rule, command.cause, command.registrant, work) for rule in rules]
    return [delivery for delivery in queued if delivery is not None]
