import pytest

from klaster_notifications.adapters.publishing import to_message
from klaster_notifications.domain.delivery import Delivery
from klaster_notifications.testing import NOON, a_delivery, a_recipient
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.notifications import DeliveryFailed, DeliveryQueued, DeliverySent, DeliverySuppressed


def settled(how: str) -> Delivery:
    delivery = a_delivery()
    match how:
        case "sent":
            delivery.sent(NOON)
        case "failed":
            delivery.failed("smtp-550", NOON)
        case "suppressed":
            delivery.suppressed("invalid-address", NOON)
    return delivery


GROUNDS = {"rule": "registration-confirmed", "template": "registration_confirmed", "template_version": "0123456789ab"}


@pytest.mark.parametrize(
    ("how", "message", "besides"),
    [
        ("queued", DeliveryQueued, GROUNDS),
        ("sent", DeliverySent, {}),
        ("failed", DeliveryFailed, {"reason": "smtp-550"}),
        ("suppressed", DeliverySuppressed, {"reason": "invalid-address"}),
    ],
)
def test_each_fact_is_one_message(how: str, message: type[Message], besides: dict[str, str]) -> None:
    delivery = settled(how)

    assert to_message(delivery.facts[-1]).model_dump(mode="python") == {
        "delivery_id": delivery.id,
        "cause_id": delivery.grounds.cause,
        "recipient_id": delivery.recipient.id,
        "recipient_kind": "registrant",
        "channel": "email",
        **besides,
    }
    assert isinstance(to_message(delivery.facts[-1]), message)


@pytest.mark.parametrize("how", ["queued", "sent", "failed", "suppressed"])
def test_no_message_holds_an_address_or_a_name(how: str) -> None:
    delivery = settled(how)
    told = to_message(delivery.facts[-1]).model_dump_json()

    assert a_recipient().address not in told
    assert a_recipient().name not in told
