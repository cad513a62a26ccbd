"""What leaves this service: one message for every fact, without address and text."""

from typing import Any, assert_never

from klaster_notifications.domain.facts import (
    AboutDelivery,
    DeliveryFact,
    DeliveryHasFailed,
    DeliveryWasQueued,
    DeliveryWasSent,
    DeliveryWasSuppressed,
)
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.notifications import DeliveryFailed, DeliveryQueued, DeliverySent, DeliverySuppressed


def to_message(fact: DeliveryFact) -> Message:
    match fact:
        case DeliveryWasQueued():
            return DeliveryQueued(**_delivery(fact), rule=fact.rule, template=fact.template, template_version=fact.template_version)
        case DeliveryWasSent():
            return DeliverySent(**_delivery(fact))
        case DeliveryHasFailed():
            return DeliveryFailed(**_delivery(fact), reason=fact.reason)
        case DeliveryWasSuppressed():
            return DeliverySuppressed(**_delivery(fact), reason=fact.reason)
        case _:
            assert_never(fact)


def _delivery(fact: AboutDelivery) -> dict[str, Any]:
    return {
        "delivery_id": fact.delivery,
        "cause_id": fact.cause,
        "recipient_id": fact.recipient,
        "recipient_kind": fact.recipient_kind.value,
        "channel": fact.channel.value,
    }
