"""One suite for the two implementations of the ports: what use-case tests rely on in memory is what PostgreSQL does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from klaster_notifications.application.ports import NotificationsWork
from klaster_notifications.domain.audiences import Contact
from klaster_notifications.domain.delivery import Delivery
from klaster_notifications.domain.dispatch import Dispatch
from klaster_notifications.domain.ids import ClaimId, DeliveryId, OrganisationId
from klaster_notifications.domain.letters import CalendarPart
from klaster_notifications.domain.recipients import RecipientKind
from klaster_notifications.domain.rules import CalendarMethod
from klaster_notifications.testing import NOON, InMemoryWork, a_cause, a_delivery, a_letter, a_recipient, a_refusal
from klaster_shared.errors import NotFound, StaleVersion
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines

type Begin = Callable[[], AbstractAsyncContextManager[NotificationsWork]]

LATER = NOON + timedelta(minutes=1)


@pytest.fixture(params=["in memory", "on PostgreSQL"])
def begin(request: pytest.FixtureRequest) -> Begin:
    if request.param == "on PostgreSQL":
        request.getfixturevalue("empty")
        return cast("Begin", request.getfixturevalue("new_work"))
    work = InMemoryWork()

    @asynccontextmanager
    async def same() -> AsyncIterator[NotificationsWork]:
        yield work

    return same


async def stored(begin: Begin, *, due_after: timedelta = timedelta()) -> Delivery:
    delivery = a_delivery()
    async with begin() as work:
        assert await work.deliveries.add(delivery, a_letter())
        await work.dispatches.add(Dispatch(delivery=delivery.id, due_at=NOON + due_after))
    return delivery


def a_contact(organisation: OrganisationId, *, seconds: int = 0) -> Contact:
    recorded_at = NOON + timedelta(seconds=seconds)
    recipient = replace(a_recipient(), kind=RecipientKind.CONTACT)
    return Contact(recipient=recipient, organisation=organisation, roles=("event_manager", "accountant"), recorded_at=recorded_at)


async def test_a_delivery_comes_back_as_it_was_stored(begin: Begin) -> None:
    delivery = await stored(begin)

    async with begin() as work:
        assert await work.deliveries.get(delivery.id) == delivery


async def test_a_settled_delivery_comes_back_as_it_was_stored(begin: Begin) -> None:
    delivery = await stored(begin)
    delivery.failed("smtp-550", LATER)
    async with begin() as work:
        await work.deliveries.save(delivery)

    async with begin() as work:
        assert await work.deliveries.get(delivery.id) == delivery
    assert delivery.version == 2


async def test_of_two_who_read_the_same_version_the_second_to_save_is_stale(begin: Begin) -> None:
    delivery = await stored(begin)
    async with begin() as work:
        first, second = [await work.deliveries.get(delivery.id) for _ in range(2)]
        first.sent(LATER)
        second.sent(LATER)
        await work.deliveries.save(first)

        with pytest.raises(StaleVersion):
            await work.deliveries.save(second)


async def test_a_recipient_has_one_delivery_of_a_cause_and_template(begin: Begin) -> None:
    first = await stored(begin)
    again = a_delivery(replace(first.recipient, address=a_recipient("another@example.org").address), cause=first.grounds.cause)

    async with begin() as work:
        assert not await work.deliveries.add(again, a_letter())


async def test_an_address_has_one_delivery_of_a_cause_and_template(begin: Begin) -> None:
    first = await stored(begin)
    again = a_delivery(a_recipient(first.recipient.address), cause=first.grounds.cause)

    async with begin() as work:
        assert not await work.deliveries.add(again, a_letter())


async def test_the_same_recipient_has_a_delivery_of_each_cause(begin: Begin) -> None:
    first = await stored(begin)

    async with begin() as work:
        assert await work.deliveries.add(a_delivery(first.recipient), a_letter())


@pytest.mark.parametrize("repository", ["deliveries", "dispatches"])
async def test_what_was_never_stored_is_not_found(begin: Begin, repository: str) -> None:
    async with begin() as work:
        with pytest.raises(NotFound):
            await getattr(work, repository).get(DeliveryId(new_id()))


async def test_a_dispatch_comes_back_as_it_was_stored(begin: Begin) -> None:
    delivery = await stored(begin)
    changed = Dispatch(delivery=delivery.id, attempts=3, due_at=LATER, claim=ClaimId(new_id()), last_failure="smtp-451")
    async with begin() as work:
        await work.dispatches.save(changed)

    async with begin() as work:
        await work.dispatches.lock(delivery.id)
        assert await work.dispatches.get(delivery.id) == changed


async def test_what_is_due_is_found_the_longest_due_first(begin: Begin) -> None:
    second, first, _ = [await stored(begin, due_after=timedelta(seconds=seconds)) for seconds in (2, 1, 61)]

    async with begin() as work:
        assert await work.dispatches.lock_due(LATER, 10) == [first.id, second.id]
        assert await work.dispatches.lock_due(LATER, 1) == [first.id]


async def test_what_is_settled_is_never_due(begin: Begin) -> None:
    delivery = await stored(begin)
    async with begin() as work:
        await work.dispatches.save(Dispatch(delivery=delivery.id, attempts=1, due_at=None))

    async with begin() as work:
        assert await work.dispatches.lock_due(LATER, 10) == []


async def test_a_claimed_mail_carries_all_that_is_sent(begin: Begin) -> None:
    delivery, letter = a_delivery(), replace(a_letter(), calendar=CalendarPart(method=CalendarMethod.REQUEST, text="BEGIN:VCALENDAR\r\n"))
    async with begin() as work:
        await work.deliveries.add(delivery, letter)
        await work.dispatches.add(Dispatch(delivery=delivery.id, due_at=NOON))

    async with begin() as work:
        (mail,) = await work.dispatches.claim(await work.dispatches.lock_due(NOON, 1), ClaimId(new_id()), until=LATER)

    assert (mail.delivery, mail.cause, mail.flow, mail.queued_at) == (delivery.id, delivery.grounds.cause, "flow", NOON)
    assert (mail.recipient, mail.letter) == (delivery.recipient, letter)


async def test_only_the_holder_gives_back(begin: Begin) -> None:
    delivery, mine = await stored(begin), ClaimId(new_id())
    async with begin() as work:
        await work.dispatches.claim([delivery.id], mine, until=LATER)
        await work.dispatches.release([delivery.id], ClaimId(new_id()), due_at=NOON)
        assert (await work.dispatches.get(delivery.id)).claim == mine
        await work.dispatches.release([delivery.id], mine, due_at=NOON)

    async with begin() as work:
        assert await work.dispatches.get(delivery.id) == Dispatch(delivery=delivery.id, due_at=NOON)


async def test_contacts_come_back_in_the_order_in_which_they_were_recorded(begin: Begin) -> None:
    organisation = OrganisationId(new_id())
    second, first = a_contact(organisation, seconds=2), a_contact(organisation, seconds=1)
    async with begin() as work:
        await work.audiences.hold(organisation)
        for contact in (second, first, a_contact(OrganisationId(new_id()))):
            await work.audiences.keep_contact(contact)

    async with begin() as work:
        assert await work.audiences.contacts_of(organisation) == [first, second]


async def test_causes_come_back_as_they_were_kept(begin: Begin) -> None:
    organisation = OrganisationId(new_id())
    second, first = a_cause(a_refusal(), recorded_at=LATER), a_cause(a_refusal(), recorded_at=NOON)
    async with begin() as work:
        await work.audiences.hold(organisation)
        for cause in (second, first):
            await work.audiences.keep_cause(cause, organisation)

    async with begin() as work:
        assert await work.audiences.causes_of(organisation) == [first, second]
        assert await work.audiences.causes_of(OrganisationId(new_id())) == []


async def test_what_is_known_is_kept_as_it_was_first_heard(begin: Begin) -> None:
    organisation = OrganisationId(new_id())
    contact, cause = a_contact(organisation), a_cause(a_refusal())
    async with begin() as work:
        for _ in range(2):
            await work.audiences.keep_contact(contact)
            await work.audiences.keep_cause(cause, organisation)

    async with begin() as work:
        assert await work.audiences.contacts_of(organisation) == [contact]
        assert await work.audiences.causes_of(organisation) == [cause]
