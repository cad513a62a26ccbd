"""Seats under the weight of many at once, on PostgreSQL."""

import asyncio
from collections import Counter

import pytest

from klaster_events.domain.errors import EventNotOpen, RegistrationNotLive, WithdrawalClosed
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import EventId
from klaster_events.domain.registrant import RegistrationStatus
from klaster_events.testing import Commands
from klaster_shared.errors import KlasterError

pytestmark = pytest.mark.engines

CONFIRMED, WAITLISTED = RegistrationStatus.CONFIRMED, RegistrationStatus.WAITLISTED


async def statuses(commands: Commands, event: EventId) -> list[RegistrationStatus]:
    return [each.registration.status for each in await commands.line_of(event)]


async def agrees_with_its_counters(commands: Commands, event: EventId) -> bool:
    counted = Counter(await statuses(commands, event))
    seats = (await commands.in_full(event)).seats
    return (seats.confirmed, seats.waiting) == (counted[CONFIRMED], counted[WAITLISTED])


async def test_two_hundred_at_once_fill_fifty_seats_and_the_rest_wait_in_the_order_of_arrival(commands: Commands) -> None:
    event = await commands.published(capacity=50)

    await asyncio.gather(*(commands.register(event, f"person-{number}@example.org") for number in range(200)))

    line = await commands.line_of(event)
    assert [each.registration.number for each in line] == list(range(1, 201))
    assert [each.registration.status for each in line] == [CONFIRMED] * 50 + [WAITLISTED] * 150
    assert [each.position for each in line] == [None] * 50 + list(range(1, 151))
    assert await agrees_with_its_counters(commands, event)


async def test_everybody_is_told_at_once_what_a_later_look_shows(commands: Commands) -> None:
    event = await commands.published(capacity=3)

    told = await asyncio.gather(*(commands.register(event, f"person-{number}@example.org") for number in range(10)))

    shown = {each.registration.id: each.position for each in await commands.line_of(event)}
    assert {each.registration.id: each.position for each in told} == shown


async def test_one_address_that_comes_many_times_at_once_gets_one_place(commands: Commands) -> None:
    event = await commands.published(capacity=5)

    answers = await asyncio.gather(*(commands.register(event, "same@example.org") for _ in range(8)), return_exceptions=True)

    assert Counter(type(answer).__name__ for answer in answers) == {"RegistrationInLine": 1, "AlreadyRegistered": 7}
    assert await statuses(commands, event) == [CONFIRMED]


async def test_a_seat_given_up_goes_to_the_head_and_the_others_move_up(commands: Commands) -> None:
    event = await commands.published(capacity=1)
    first, *_ = [await commands.register(event, f"person-{number}@example.org") for number in range(4)]

    await commands.withdraw(first.registration.id)

    line = await commands.line_of(event)
    assert [each.registration.status for each in line[1:]] == [CONFIRMED, WAITLISTED, WAITLISTED]
    assert [each.position for each in line] == [None, None, 1, 2]
    assert await agrees_with_its_counters(commands, event)


async def test_while_people_come_and_go_at_once_nobody_is_oversold_or_overtaken(commands: Commands) -> None:
    event = await commands.published(capacity=10)
    first = await asyncio.gather(*(commands.register(event, f"early-{number}@example.org") for number in range(30)))

    await asyncio.gather(
        *(commands.withdraw(each.registration.id) for each in first[::2]),
        *(commands.register(event, f"late-{number}@example.org") for number in range(20)),
    )

    live = [status for status in await statuses(commands, event) if status in {CONFIRMED, WAITLISTED}]
    assert live == [CONFIRMED] * 10 + [WAITLISTED] * 25
    assert await agrees_with_its_counters(commands, event)


async def test_whoever_withdraws_the_same_seat_twice_at_once_gives_it_up_once(commands: Commands) -> None:
    event = await commands.published(capacity=2)
    registered = [await commands.register(event, f"person-{number}@example.org") for number in range(5)]

    answers = await asyncio.gather(*(commands.withdraw(registered[0].registration.id) for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(answer, RegistrationNotLive) for answer in answers) == 3
    assert await statuses(commands, event) == [RegistrationStatus.WITHDRAWN, CONFIRMED, CONFIRMED, WAITLISTED, WAITLISTED]


async def test_a_cancellation_among_registrations_leaves_nobody_with_a_seat(commands: Commands) -> None:
    event = await commands.published(capacity=5)

    answers = await asyncio.gather(
        *(commands.register(event, f"early-{number}@example.org") for number in range(15)),
        commands.cancel(event),
        *(commands.register(event, f"late-{number}@example.org") for number in range(15)),
        return_exceptions=True,
    )

    assert set(await statuses(commands, event)) <= {RegistrationStatus.CANCELLED}
    assert all(answer is None or not isinstance(answer, BaseException) or isinstance(answer, EventNotOpen) for answer in answers)
    assert (await commands.in_full(event)).event.status is EventStatus.CANCELLED
    assert await agrees_with_its_counters(commands, event)


async def test_a_withdrawal_beside_the_completion_comes_before_it_or_not_at_all(commands: Commands) -> None:
    event = await commands.published(capacity=1)
    first, second = [await commands.register(event, f"person-{number}@example.org") for number in range(2)]

    refused, _ = await asyncio.gather(commands.withdraw(first.registration.id), commands.complete(event), return_exceptions=True)

    expected = [CONFIRMED, WAITLISTED] if isinstance(refused, WithdrawalClosed) else [RegistrationStatus.WITHDRAWN, CONFIRMED]
    assert await statuses(commands, event) == expected
    assert not isinstance(refused, KlasterError) or isinstance(refused, WithdrawalClosed)
    assert second.position == 1


async def test_cancelling_says_so_to_each_live_registration_and_of_the_event(commands: Commands) -> None:
    event = await commands.published(capacity=2)
    gone, *live = [await commands.register(event, f"person-{number}@example.org") for number in range(5)]
    await commands.withdraw(gone.registration.id)

    await commands.cancel(event)

    told = [body for body in await commands.said(event) if body["type"] in {"EventCancelled", "RegistrationCancelled"}]
    assert [body["key"] for body in told] == [str(event), *(str(each.registration.id) for each in live)]
    assert [body["was"] for body in told[1:]] == ["confirmed", "confirmed", "waitlisted", "waitlisted"]


async def test_the_messages_of_a_registration_are_numbered_by_its_versions(commands: Commands) -> None:
    event = await commands.published(capacity=1)
    first, second = [await commands.register(event, f"person-{number}@example.org") for number in range(2)]
    await commands.withdraw(first.registration.id)

    await commands.cancel(event)

    steps = [(body["type"], int(body["headers"]["ce_sequence"])) for body in await commands.said(event) if body["key"] == str(second.registration.id)]
    assert steps == [("WaitlistJoined", 1), ("RegistrationConfirmed", 2), ("RegistrationCancelled", 3)]
