"""One suite for the two implementations of the ports: what use-case tests rely on in memory is what PostgreSQL does."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from klaster_events.application.ports import EventsWork
from klaster_events.application.queries import EventsAsked, RegistrationsAsked
from klaster_events.domain.approval import Approval, Consent
from klaster_events.domain.attempt import Attempt
from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.ids import EventId, RegistrationId
from klaster_events.domain.proposal import EventKind
from klaster_events.domain.refusals import Shortfall
from klaster_events.domain.registrant import RegistrationStatus
from klaster_events.domain.registration import Registration
from klaster_events.domain.seats import Place, Seats
from klaster_events.testing import (
    FLOW,
    NOON,
    OFFICE,
    PATIENCE,
    SHORT,
    EventBuilder,
    InMemoryWork,
    a_cost,
    a_proposal,
    a_registrant,
    a_schedule,
    an_approval_id,
    an_event,
)
from klaster_shared.clock import Instant
from klaster_shared.errors import NotFound, StaleVersion
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines

type Begin = Callable[[], AbstractAsyncContextManager[EventsWork]]


@pytest.fixture(params=["in memory", "on PostgreSQL"])
def begin(request: pytest.FixtureRequest) -> Begin:
    if request.param == "on PostgreSQL":
        return cast("Begin", request.getfixturevalue("new_work"))
    work = InMemoryWork()

    @asynccontextmanager
    async def same() -> AsyncIterator[EventsWork]:
        yield work

    return same


async def stored(begin: Begin, made: EventBuilder) -> Event:
    async with begin() as work:
        await work.events.save(made.event)
        await work.approvals.add(Approval(event=made.event.id))
        await work.seats.add(Seats(event=made.event.id, capacity=made.event.proposal.capacity))
    return made.event


async def registered(begin: Begin, event: Event, *places: Place) -> list[Registration]:
    made = [
        Registration.made(RegistrationId(new_id()), event.id, a_registrant(f"person-{place.number}@example.org"), place, event.entry, at=NOON)
        for place in places
    ]
    async with begin() as work:
        for registration in made:
            await work.registrations.save(registration)
    return made


LINE = (Place(1, None), Place(2, None), Place(3, 1), Place(4, 2))


async def test_an_event_comes_back_as_it_was_stored(begin: Begin) -> None:
    event = await stored(begin, an_event(a_cost("2.1", "1200.00"), a_cost("2.2", "15", "JPY")))
    event.cancel("No speaker.", at=NOON + timedelta(hours=1))
    async with begin() as work:
        await work.events.save(event)

    async with begin() as work:
        assert await work.events.get(event.id) == event


async def test_an_approval_comes_back_with_consent_and_refusal(begin: Begin) -> None:
    event = await stored(begin, an_event())
    approval = Approval(event=event.id)
    approval.begin(Consent(id=an_approval_id(), by=OFFICE, at=NOON, flow=FLOW, deadline=NOON + PATIENCE), needs_money=True)
    assert SHORT.short_by is not None
    refused = replace(approval, consent=approval.consent and replace(approval.consent))
    refused.refuse(replace(SHORT, shortfalls=(Shortfall("2.1", SHORT.short_by),)))

    for each in (approval, refused):
        async with begin() as work:
            await work.approvals.save(each)
        async with begin() as work:
            assert await work.approvals.locked(event.id) == each


async def test_seats_come_back_as_they_were_stored(begin: Begin) -> None:
    event = await stored(begin, an_event(capacity=2))
    seats = Seats(event=event.id, capacity=2, confirmed=2, waiting=1, last_number=5)
    async with begin() as work:
        await work.seats.save(seats)

    async with begin() as work:
        assert await work.seats.locked(event.id) == seats


async def test_what_was_never_stored_is_not_found(begin: Begin) -> None:
    event, registration = EventId(new_id()), RegistrationId(new_id())
    async with begin() as work:
        questions: list[Callable[[], Awaitable[object]]] = [
            lambda: work.events.get(event),
            lambda: work.approvals.locked(event),
            lambda: work.seats.locked(event),
            lambda: work.registrations.get(registration),
            lambda: work.registrations.event_of(registration),
            lambda: work.agenda.event(event),
            lambda: work.agenda.registration(registration),
            lambda: work.agenda.attempts(event, after=None, rows=1),
            lambda: work.agenda.registrations(RegistrationsAsked(event=event), after=None, rows=1),
        ]
        for question in questions:
            with pytest.raises(NotFound):
                await question()
        assert await work.approvals.find_locked(event) is None
        assert await work.attempts.find(an_approval_id()) is None


async def test_another_version_than_the_expected_one_is_stale(begin: Begin) -> None:
    event = await stored(begin, an_event())
    (registration,) = await registered(begin, event, Place(1, None))

    async with begin() as work:
        assert await work.events.get(event.id, 1) == event
        assert await work.registrations.get(registration.id, 1) == registration
        with pytest.raises(StaleVersion):
            await work.events.get(event.id, 2)
        with pytest.raises(StaleVersion):
            await work.registrations.get(registration.id, 2)


async def test_of_two_who_read_the_same_version_the_second_to_save_is_stale(begin: Begin) -> None:
    event = await stored(begin, an_event())
    async with begin() as work:
        first, second = [await work.events.get(event.id) for _ in range(2)]
        first.submit(at=NOON)
        second.cancel("No speaker.", at=NOON)
        await work.events.save(first)

        with pytest.raises(StaleVersion):
            await work.events.save(second)


def an_attempt(event: EventId, *, deadline: Instant | None = NOON + PATIENCE) -> Attempt:
    return Attempt.begun(event, Consent(id=an_approval_id(), by=OFFICE, at=NOON, flow=FLOW, deadline=deadline))


async def test_an_attempt_is_kept_with_all_that_became_of_it(begin: Begin) -> None:
    event = await stored(begin, an_event())
    attempt = an_attempt(event.id)
    async with begin() as work:
        await work.attempts.save(attempt)
        assert await work.attempts.find(attempt.id) == attempt

        attempt.refuse(SHORT, at=NOON)
        attempt.compensate((a_cost(), a_cost("2.2", "0.01")), at=NOON + PATIENCE)
        await work.attempts.save(attempt)

        assert await work.attempts.find(attempt.id) == attempt


async def test_attempts_are_listed_by_event_oldest_first_and_in_pages(begin: Begin) -> None:
    event, other = await stored(begin, an_event()), await stored(begin, an_event())
    first, second, third = [an_attempt(event.id, deadline=None) for _ in range(3)]
    async with begin() as work:
        for attempt in (third, an_attempt(other.id), first, second):
            await work.attempts.save(attempt)

        assert await work.agenda.attempts(event.id, after=None, rows=2) == [first, second]
        assert await work.agenda.attempts(event.id, after=second.id, rows=2) == [third]


async def test_the_line_is_kept_in_the_order_of_arrival(begin: Begin) -> None:
    event = await stored(begin, an_event().published())
    first, second, third, fourth = await registered(begin, event, *LINE)

    async with begin() as work:
        assert await work.registrations.live(event.id) == [first, second, third, fourth]
        assert await work.registrations.head_of_line(event.id) == third
        assert await work.registrations.event_of(third.id) == event.id


async def test_an_address_counts_while_its_registration_is_live(begin: Begin) -> None:
    event = await stored(begin, an_event().published())
    (registration,) = await registered(begin, event, Place(1, None))
    email = registration.registrant.email
    async with begin() as work:
        assert await work.registrations.is_registered(event.id, email)
        assert not await work.registrations.is_registered(EventId(new_id()), email)
        registration.withdraw(event.entry, at=NOON)
        await work.registrations.save(registration)

        assert not await work.registrations.is_registered(event.id, email)
        assert await work.registrations.head_of_line(event.id) is None


async def test_many_registrations_are_saved_at_once(begin: Begin) -> None:
    event = await stored(begin, an_event().published())
    made = await registered(begin, event, *LINE)
    for each in made:
        each.cancel(event.entry, "No speaker.", at=NOON)
    async with begin() as work:
        await work.registrations.save_all(made)

        assert await work.registrations.live(event.id) == []
        assert [await work.registrations.get(each.id) for each in made] == made
        assert {each.version for each in made} == {2}


async def test_many_of_which_one_is_stale_are_not_saved(begin: Begin) -> None:
    event = await stored(begin, an_event().published())
    made = await registered(begin, event, *LINE)
    made[2].version += 1
    for each in made:
        each.cancel(event.entry, "No speaker.", at=NOON)
    async with begin() as work:
        with pytest.raises(StaleVersion):
            await work.registrations.save_all(made)


async def test_no_registrations_at_all_are_saved_too(begin: Begin) -> None:
    async with begin() as work:
        await work.registrations.save_all([])


async def test_positions_are_counted_when_they_are_read(begin: Begin) -> None:
    event = await stored(begin, an_event().published())
    made = await registered(begin, event, *LINE)

    async with begin() as work:
        assert [(await work.agenda.registration(each.id)).position for each in made] == [None, None, 1, 2]
        made[2].withdraw(event.entry, at=NOON)
        await work.registrations.save(made[2])

        assert [(await work.agenda.registration(each.id)).position for each in made] == [None, None, None, 1]


async def test_registrations_are_listed_by_id_in_pages_and_by_status(begin: Begin) -> None:
    event = await stored(begin, an_event().published())
    made = await registered(begin, event, *LINE)
    waiting = RegistrationsAsked(event=event.id, status=RegistrationStatus.WAITLISTED)

    async with begin() as work:
        first = await work.agenda.registrations(RegistrationsAsked(event=event.id), after=None, rows=3)
        rest = await work.agenda.registrations(RegistrationsAsked(event=event.id), after=first[-1].registration.id, rows=3)
        assert [each.registration for each in [*first, *rest]] == made
        assert [each.position for each in await work.agenda.registrations(waiting, after=None, rows=3)] == [1, 2]


async def test_events_are_listed_by_status_kind_and_time(begin: Begin) -> None:
    schedule = a_schedule(NOON + timedelta(days=7))
    proposal = a_proposal(schedule=schedule, kind=EventKind.CONFERENCE)
    event = await stored(begin, EventBuilder(Event.drafted(EventId(new_id()), proposal, by=OFFICE, at=NOON)))
    second = timedelta(seconds=1)

    async def found(asked: EventsAsked) -> bool:
        async with begin() as work:
            listed = await work.agenda.events(asked, after=None, rows=1000)
            return event.id in {each.event.id for each in listed}

    assert await found(EventsAsked())
    assert await found(EventsAsked(status=EventStatus.DRAFT, kind=EventKind.CONFERENCE))
    assert not await found(EventsAsked(status=EventStatus.PUBLISHED))
    assert not await found(EventsAsked(kind=EventKind.WORKSHOP))
    assert await found(EventsAsked(starts_from=schedule.starts_at, starts_before=schedule.starts_at + second))
    assert not await found(EventsAsked(starts_from=schedule.starts_at + second))
    assert not await found(EventsAsked(starts_before=schedule.starts_at))
