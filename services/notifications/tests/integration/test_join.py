"""The join of contacts and causes on PostgreSQL, where both sides may be at work at the same moment (design 8.6)."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest

from klaster_notifications import bootstrap
from klaster_notifications.testing import NOON, a_contact_added, a_refusal, an_upgrade, hear, heard
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("empty")]

ORIGIN = Origin(actor="test", correlation_id="flow", causation_id="command")

type Heard = tuple[Message, Envelope]


def a_story(organisation: UUID) -> list[Heard]:
    """A manager who was there, one whose clock is ahead, one who came later, and two causes."""
    contacts = [
        (a_contact_added(organisation_id=organisation, email="there@example.org"), -60),
        (a_contact_added(organisation_id=organisation, email="ahead@example.org"), 5),
        (a_contact_added(organisation_id=organisation, email="later@example.org"), 6),
    ]
    causes = [a_refusal(host_organisation_id=organisation), an_upgrade(organisation_id=organisation)]
    return [(contact, heard(contact, recorded_at=NOON + timedelta(seconds=seconds))) for contact, seconds in contacts] + [
        (cause, heard(cause)) for cause in causes
    ]


async def told(parts: bootstrap.Parts) -> list[tuple[str, str]]:
    async with parts.database.connect() as connection:
        rows = await connection.fetch("SELECT address, template FROM delivery")
    return sorted((row["address"], row["template"]) for row in rows)


EXPECTED = sorted(
    (address, template) for address in ("ahead@example.org", "there@example.org") for template in ("commitment_refused", "membership_upgraded")
)


@pytest.mark.parametrize("order", list(permutations(range(5)))[::7], ids=str)
async def test_whatever_the_order_the_same_people_are_told(parts: bootstrap.Parts, order: Sequence[int]) -> None:
    story = a_story(new_id())

    for number in order:
        async with parts.transactions.begin(ORIGIN) as work:
            await hear(work, *story[number])

    assert await told(parts) == EXPECTED


async def test_one_transaction_for_all_comes_to_the_same(parts: bootstrap.Parts) -> None:
    async with parts.transactions.begin(ORIGIN) as work:
        for message, envelope in a_story(new_id()):
            await hear(work, message, envelope)

    assert await told(parts) == EXPECTED


async def test_hearing_everything_again_adds_nothing(parts: bootstrap.Parts) -> None:
    story = a_story(new_id())
    for message, envelope in [*story, *reversed(story)]:
        async with parts.transactions.begin(ORIGIN) as work:
            await hear(work, message, envelope)

    assert await told(parts) == EXPECTED
    async with parts.database.connect() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == len(EXPECTED)


async def test_a_rolled_back_side_leaves_nothing_behind(parts: bootstrap.Parts) -> None:
    contact, *_, cause = a_story(new_id())
    with suppress(ZeroDivisionError):
        async with parts.transactions.begin(ORIGIN) as work:
            await hear(work, *contact)
            raise ZeroDivisionError
    async with parts.transactions.begin(ORIGIN) as work:
        await hear(work, *cause)

    assert await told(parts) == []


@pytest.mark.parametrize("contact_first", [True, False])
async def test_the_second_side_waits_for_the_first_and_then_sees_it(parts: bootstrap.Parts, contact_first: bool) -> None:  # noqa: FBT001 - a case
    organisation = new_id()
    contact, cause = a_contact_added(organisation_id=organisation), a_refusal(host_organisation_id=organisation)
    first, second = (contact, cause) if contact_first else (cause, contact)
    async with AsyncExitStack() as stack:
        earlier = await stack.enter_async_context(parts.transactions.begin(ORIGIN))
        await hear(earlier, first)
        later = asyncio.create_task(whole(parts, second))
        await eventually(lambda: waiting_for_an_advisory_lock(parts), what="the second side to wait for the organisation")
    await later

    assert await told(parts) == [("manager-01@example.org", "commitment_refused")]


async def test_other_organisations_do_not_wait(parts: bootstrap.Parts) -> None:
    first, second = a_refusal(), a_refusal()
    async with parts.transactions.begin(ORIGIN) as held:
        await hear(held, first)
        async with asyncio.timeout(5):
            await whole(parts, second)


async def whole(parts: bootstrap.Parts, message: Message) -> None:
    async with parts.transactions.begin(ORIGIN) as work:
        await hear(work, message)


async def waiting_for_an_advisory_lock(parts: bootstrap.Parts) -> bool:
    async with parts.database.connect() as connection:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"))
