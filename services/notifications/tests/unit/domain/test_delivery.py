from collections.abc import Callable
from datetime import timedelta

import pytest

from klaster_notifications.domain.delivery import Delivery, Status
from klaster_notifications.domain.errors import AlreadySettled
from klaster_notifications.domain.facts import DeliveryHasFailed, DeliveryWasQueued, DeliveryWasSent, DeliveryWasSuppressed
from klaster_notifications.testing import NOON, a_delivery

LATER = NOON + timedelta(seconds=3)

SETTLE: dict[Status, Callable[[Delivery], None]] = {
    Status.SENT: lambda delivery: delivery.sent(LATER),
    Status.FAILED: lambda delivery: delivery.failed("smtp-550", LATER),
    Status.SUPPRESSED: lambda delivery: delivery.suppressed("invalid-address", LATER),
}


def test_queueing_is_the_first_fact() -> None:
    delivery = a_delivery()

    (fact,) = delivery.facts
    assert isinstance(fact, DeliveryWasQueued)
    assert (fact.delivery, fact.cause, fact.recipient, fact.at) == (delivery.id, delivery.grounds.cause, delivery.recipient.id, NOON)


@pytest.mark.parametrize("status", SETTLE)
def test_a_queued_delivery_is_settled_with_time(status: Status) -> None:
    delivery = a_delivery()

    SETTLE[status](delivery)

    assert (delivery.status, delivery.settled_at) == (status, LATER)


@pytest.mark.parametrize(("status", "reason"), [(Status.SENT, None), (Status.FAILED, "smtp-550"), (Status.SUPPRESSED, "invalid-address")])
def test_what_was_not_sent_has_a_reason(status: Status, reason: str | None) -> None:
    delivery = a_delivery()

    SETTLE[status](delivery)

    assert delivery.reason == reason


@pytest.mark.parametrize(
    ("status", "fact"), [(Status.SENT, DeliveryWasSent), (Status.FAILED, DeliveryHasFailed), (Status.SUPPRESSED, DeliveryWasSuppressed)]
)
def test_settling_is_one_fact(status: Status, fact: type) -> None:
    delivery = a_delivery()

    SETTLE[status](delivery)

    assert [type(each) for each in delivery.facts] == [DeliveryWasQueued, fact]


@pytest.mark.parametrize("first", SETTLE)
@pytest.mark.parametrize("second", SETTLE)
def test_what_is_settled_stays_as_it_is(first: Status, second: Status) -> None:
    delivery = a_delivery()
    SETTLE[first](delivery)

    with pytest.raises(AlreadySettled) as refusal:
        SETTLE[second](delivery)

    assert (delivery.status, len(delivery.facts), refusal.value.fields["status"]) == (first, 2, first)
