from klaster_notifications.application.tell_registrant import TellRegistrant, tell_registrant
from klaster_notifications.domain.delivery import INVALID_ADDRESS, Status
from klaster_notifications.domain.facts import DeliveryWasQueued, DeliveryWasSuppressed
from klaster_notifications.testing import NOON, InMemoryWork, a_cause, a_confirmation, a_recipient, a_refusal


async def test_a_confirmed_registrant_gets_one_delivery_that_says_why() -> None:
    work, cause, registrant = InMemoryWork(), a_cause(a_confirmation()), a_recipient()

    (delivery,) = await tell_registrant(TellRegistrant(cause=cause, registrant=registrant), work)

    grounds = delivery.grounds
    assert (grounds.cause, grounds.cause_type, grounds.rule) == (cause.id, cause.type, "registration-confirmed")
    assert (delivery.recipient, delivery.status, delivery.queued_at) == (registrant, Status.QUEUED, NOON)


async def test_a_queued_delivery_is_due_at_once() -> None:
    work = InMemoryWork()

    (delivery,) = await tell_registrant(TellRegistrant(cause=a_cause(), registrant=a_recipient()), work)

    assert (await work.dispatches.get(delivery.id)).due_at == work.now


async def test_the_same_message_again_adds_nothing() -> None:
    work, command = InMemoryWork(), TellRegistrant(cause=a_cause(), registrant=a_recipient())
    await tell_registrant(command, work)

    assert await tell_registrant(command, work) == []
    assert (len(list(work.deliveries)), len(work.facts)) == (1, 1)


async def test_what_cannot_be_mailed_is_suppressed_and_never_due() -> None:
    work = InMemoryWork()

    (delivery,) = await tell_registrant(TellRegistrant(cause=a_cause(), registrant=a_recipient("no mailbox")), work)

    assert (delivery.status, delivery.reason) == (Status.SUPPRESSED, INVALID_ADDRESS)
    assert [type(fact) for fact in work.facts] == [DeliveryWasQueued, DeliveryWasSuppressed]
    assert await work.dispatches.lock_due(work.now, 10) == []


async def test_a_cause_whose_rule_is_for_others_tells_the_registrant_nothing() -> None:
    work = InMemoryWork()

    assert await tell_registrant(TellRegistrant(cause=a_cause(a_refusal()), registrant=a_recipient()), work) == []
