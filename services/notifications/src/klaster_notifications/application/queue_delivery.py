"""The step that all notices share: write the letter, keep the delivery, hand it to the sender."""

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.domain.audiences import Cause
from klaster_notifications.domain.delivery import INVALID_ADDRESS, Delivery, Grounds
from klaster_notifications.domain.dispatch import Dispatch
from klaster_notifications.domain.ids import DeliveryId
from klaster_notifications.domain.recipients import Recipient, mailbox
from klaster_notifications.domain.rules import Rule
from klaster_shared.ids import new_id


async def queue_delivery(rule: Rule, cause: Cause, recipient: Recipient, work: NotificationsWork) -> Delivery | None:
    """None when the recipient or the address has this notice already. What cannot be mailed is recorded and suppressed at once."""
    letter = work.letters.write(rule, cause, recipient)
    delivery = Delivery.queued(
        DeliveryId(new_id()),
        grounds=Grounds(cause=cause.id, cause_type=cause.type, rule=rule.name, template=letter.template),
        recipient=recipient,
        channel=rule.channel,
        subject=letter.subject,
        at=work.now,
    )
    if mailbox(recipient.address) is None:
        delivery.suppressed(INVALID_ADDRESS, work.now)
    if not await work.deliveries.add(delivery, letter):
        return None
    if not delivery.is_settled:
        await work.dispatches.add(Dispatch(delivery=delivery.id, due_at=work.now))
    return delivery
