from dataclasses import dataclass

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.domain.delivery import Status
from klaster_notifications.domain.dispatch import Answer, Verdict
from klaster_notifications.domain.ids import ClaimId, DeliveryId


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleDelivery:
    """What the mail server answered to whoever held `claim`. `most`: attempts after which a mail is given up."""

    delivery: DeliveryId
    claim: ClaimId
    answer: Answer
    most: int


async def settle_delivery(command: SettleDelivery, work: NotificationsWork) -> Status:
    """The delivery's status afterwards.

    Of two senders of one mail (a lease ran out in a dialogue) each may say that it was accepted, because then it was; only the one
    who holds the claim now may say anything else.
    """
    await work.dispatches.lock(command.delivery)
    delivery = await work.deliveries.get(command.delivery)
    dispatch = await work.dispatches.get(command.delivery)
    accepted = command.answer.verdict is Verdict.ACCEPTED
    if delivery.is_settled or not (accepted or dispatch.claim == command.claim):
        return delivery.status
    match dispatch.attempted(command.answer, at=work.now, most=command.most):
        case Verdict.ACCEPTED:
            delivery.sent(work.now)
        case Verdict.REFUSED:
            delivery.failed(command.answer.failure or Verdict.REFUSED, work.now)
        case Verdict.DEFERRED:
            pass
    await work.deliveries.save(delivery)
    await work.dispatches.save(dispatch)
    return delivery.status
