"""Claiming, settling and giving back, as the sender does it."""

from datetime import timedelta

import pytest

from klaster_notifications.application.claim_mails import ClaimMails, claim_mails
from klaster_notifications.application.release_mails import ReleaseMails, release_mails
from klaster_notifications.application.settle_delivery import SettleDelivery, settle_delivery
from klaster_notifications.domain.delivery import Delivery, Status
from klaster_notifications.domain.dispatch import ACCEPTED, LEASE, Answer, Dispatch, Verdict
from klaster_notifications.domain.facts import DeliveryHasFailed, DeliveryWasQueued, DeliveryWasSent
from klaster_notifications.domain.ids import ClaimId
from klaster_notifications.testing import InMemoryWork, a_delivery, a_letter
from klaster_shared.ids import new_id

BUSY = Answer(Verdict.DEFERRED, "smtp-451")
UNKNOWN_USER = Answer(Verdict.REFUSED, "smtp-550")
MOST = 3


async def queued(work: InMemoryWork) -> Delivery:
    delivery = a_delivery(at=work.now)
    await work.deliveries.add(delivery, a_letter())
    await work.dispatches.add(Dispatch(delivery=delivery.id, due_at=work.now))
    return delivery


async def claim(work: InMemoryWork, *, most: int = 10) -> tuple[ClaimId, list[Delivery]]:
    claim = ClaimId(new_id())
    mails = await claim_mails(ClaimMails(claim=claim, most=most), work)
    return claim, [await work.deliveries.get(mail.delivery) for mail in mails]


async def settle(work: InMemoryWork, delivery: Delivery, claim: ClaimId, answer: Answer) -> Status:
    return await settle_delivery(SettleDelivery(delivery=delivery.id, claim=claim, answer=answer, most=MOST), work)


async def test_a_claimed_mail_is_nobody_elses_until_the_lease_is_over() -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    await claim(work)

    work.later(LEASE - timedelta(seconds=1))
    assert (await claim(work))[1] == []
    work.later(timedelta(seconds=1))
    assert (await claim(work))[1] == [delivery]


async def test_no_more_mails_are_claimed_than_asked_for_and_the_oldest_first() -> None:
    work = InMemoryWork()
    first = await queued(work)
    work.later(timedelta(seconds=1))
    await queued(work)

    assert (await claim(work, most=1))[1] == [first]


async def test_an_accepted_mail_is_sent() -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    mine, _ = await claim(work)

    assert await settle(work, delivery, mine, ACCEPTED) is Status.SENT
    assert [type(fact) for fact in work.facts] == [DeliveryWasQueued, DeliveryWasSent]


async def test_a_refused_mail_has_failed_with_the_servers_code() -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    mine, _ = await claim(work)

    assert await settle(work, delivery, mine, UNKNOWN_USER) is Status.FAILED
    assert (await work.deliveries.get(delivery.id)).reason == "smtp-550"
    assert [type(fact) for fact in work.facts] == [DeliveryWasQueued, DeliveryHasFailed]


async def test_a_deferred_mail_stays_queued_without_a_fact_and_comes_again() -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    mine, _ = await claim(work)

    assert await settle(work, delivery, mine, BUSY) is Status.QUEUED
    assert [type(fact) for fact in work.facts] == [DeliveryWasQueued]
    work.later(timedelta(seconds=1))
    assert [each.id for each in (await claim(work))[1]] == [delivery.id]


async def test_after_so_many_deferrals_a_mail_has_failed() -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    statuses = []
    for _ in range(MOST):
        work.later(timedelta(hours=1))
        mine, _ = await claim(work)
        statuses.append(await settle(work, delivery, mine, BUSY))

    assert statuses == [Status.QUEUED, Status.QUEUED, Status.FAILED]


@pytest.mark.parametrize("answer", [BUSY, UNKNOWN_USER])
async def test_whoever_lost_the_claim_says_nothing_about_failure(answer: Answer) -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    lost, _ = await claim(work)
    work.later(LEASE)
    await claim(work)

    assert await settle(work, delivery, lost, answer) is Status.QUEUED
    assert (await work.dispatches.get(delivery.id)).attempts == 0


async def test_whoever_lost_the_claim_still_says_that_the_mail_has_left() -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    lost, _ = await claim(work)
    work.later(LEASE)
    second, _ = await claim(work)

    assert await settle(work, delivery, lost, ACCEPTED) is Status.SENT
    assert await settle(work, delivery, second, ACCEPTED) is Status.SENT
    assert [type(fact) for fact in work.facts] == [DeliveryWasQueued, DeliveryWasSent]


async def test_what_is_given_back_is_due_at_once_and_counts_no_attempt() -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    mine, _ = await claim(work)

    await release_mails(ReleaseMails(claim=mine, deliveries=[delivery.id]), work)

    assert await work.dispatches.get(delivery.id) == Dispatch(delivery=delivery.id, due_at=work.now)


async def test_nobody_gives_back_what_another_has_claimed_since() -> None:
    work = InMemoryWork()
    delivery = await queued(work)
    lost, _ = await claim(work)
    work.later(LEASE)
    second, _ = await claim(work)

    await release_mails(ReleaseMails(claim=lost, deliveries=[delivery.id]), work)

    assert (await work.dispatches.get(delivery.id)).claim == second
