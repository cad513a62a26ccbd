"""Approval, answers, deadline, publication and cancellation against each other, on PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from klaster_events import bootstrap
from klaster_events.adapters.reading import census
from klaster_events.deadlines import Deadlines
from klaster_events.domain.approval import Financing, Ignored
from klaster_events.domain.attempt import Outcome, Release
from klaster_events.domain.errors import FinancingNotSecured, TransitionRefused
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.refusals import OVERDUE
from klaster_events.testing import FLOW, NOON, PATIENCE, SHORT, Commands, a_cost
from klaster_shared.testing.fakes import FixedClock

pytestmark = pytest.mark.engines


async def standing(commands: Commands, event: EventId) -> tuple[EventStatus, Financing]:
    found = await commands.in_full(event)
    return found.event.status, found.approval.financing


async def pending(commands: Commands) -> tuple[EventId, ApprovalId]:
    event = await commands.approved(a_cost())
    return event, await commands.current_approval(event)


async def test_an_approval_asks_budget_once_with_its_own_number_and_deadline(commands: Commands) -> None:
    event, attempt = await pending(commands)

    (asked,) = [body for body in await commands.said(event) if body["type"] == "EventApproved"]
    assert asked["approval_id"] == str(attempt)
    assert asked["costs"] == [{"line_code": "2.1", "amount": {"amount": "1200.00", "currency": "PLN"}}]
    assert asked["deadline"] == "2011-04-04T12:05:00Z"


async def test_a_refusal_is_kept_as_budget_gave_it(commands: Commands) -> None:
    event, attempt = await pending(commands)

    await commands.refused(event, attempt)

    assert (await commands.in_full(event)).approval.refusal == SHORT
    assert await standing(commands, event) == (EventStatus.DRAFT, Financing.REFUSED)


async def test_an_answer_to_the_attempt_before_is_passed_over(commands: Commands) -> None:
    event, first = await pending(commands)
    await commands.refused(event, first)
    await commands.approve(event)

    assert await commands.reserved(event, first) is Ignored.NOT_CURRENT
    assert await standing(commands, event) == (EventStatus.APPROVED, Financing.PENDING)


async def test_an_approval_schedules_its_deadline_in_its_own_flow(commands: Commands) -> None:
    event, attempt = await pending(commands)

    (planned,) = await commands.scheduled(event)
    assert (planned["type"], planned["key"]) == ("pl.lifescience.events.ApprovalFellDue.v1", str(attempt))
    assert planned["due_at"] == NOON + PATIENCE
    assert (planned["approval_id"], planned["deadline"]) == (str(attempt), "2011-04-04T12:05:00Z")
    assert planned["headers"]["ce_correlationid"] == FLOW


async def test_an_approval_without_costs_has_no_deadline(commands: Commands) -> None:
    assert await commands.scheduled(await commands.approved()) == []


type End = Callable[[Commands, EventId, ApprovalId], Awaitable[object]]

ENDS: dict[str, End] = {
    "reserved": lambda commands, event, attempt: commands.reserved(event, attempt),
    "refused": lambda commands, event, attempt: commands.refused(event, attempt),
    "cancelled": lambda commands, event, _: commands.cancel(event),
    "overdue": lambda commands, event, attempt: commands.falls_due(event, attempt),
}


@pytest.mark.parametrize("end", ENDS)
async def test_whatever_ends_the_waiting_takes_the_deadline_back(end: str, commands: Commands) -> None:
    event, attempt = await pending(commands)
    other, _ = await pending(commands)

    await ENDS[end](commands, event, attempt)

    assert await commands.scheduled(event) == []
    assert len(await commands.scheduled(other)) == 1


async def test_overdue_approvals_go_back_to_draft(commands: Commands) -> None:
    event, attempt = await pending(commands)

    assert await commands.falls_due(event, attempt) is None

    assert await standing(commands, event) == (EventStatus.DRAFT, Financing.REFUSED)
    assert (await commands.in_full(event)).approval.refusal == OVERDUE
    returned = (await commands.said(event))[-1]
    assert (returned["type"], returned["reason"], returned["approval_id"]) == ("EventReturnedToDraft", "overdue", str(attempt))


async def test_a_deadline_heard_three_times_at_once_returns_the_event_once(commands: Commands) -> None:
    event, attempt = await pending(commands)

    await asyncio.gather(*(commands.falls_due(event, attempt) for _ in range(3)))

    assert [body["type"] for body in await commands.said(event)].count("EventReturnedToDraft") == 1


async def test_budget_away_until_the_deadline_is_compensated_for_and_it_can_be_seen(commands: Commands) -> None:
    """Budget reserves for an approval that is over, hears that it is, and gives the money back."""
    event, overdue = await pending(commands)
    await commands.falls_due(event, overdue)
    second = await commands.approve(event)

    assert await commands.reserved(event, overdue) is Ignored.NOT_CURRENT
    assert await commands.released(event, overdue) is None
    assert await commands.reserved(event, second) is None

    first, present = await commands.attempts_of(event)
    assert (first.id, first.outcome, first.refusal, first.answered_at) == (overdue, Outcome.OVERDUE, OVERDUE, None)
    assert first.release == Release(NOON, (a_cost(),))
    assert (present.id, present.outcome, present.release) == (second, Outcome.SECURED, None)
    assert await standing(commands, event) == (EventStatus.APPROVED, Financing.SECURED)


async def test_a_deadline_of_a_release_that_scheduled_nothing_is_scheduled_at_the_start(commands: Commands, parts: bootstrap.Parts) -> None:
    event, attempt = await pending(commands)
    other, _ = await pending(commands)
    async with parts.database.connect() as connection:
        await connection.execute("DELETE FROM outbox_scheduled WHERE key = $1", str(attempt))

    assert await Deadlines(parts.transactions).schedule() >= 1
    assert await Deadlines(parts.transactions).schedule() == 0

    (planned,) = await commands.scheduled(event)
    assert (planned["due_at"], planned["approval_id"]) == (NOON + PATIENCE, str(attempt))
    assert (planned["headers"]["ce_correlationid"], planned["headers"]["ce_causationid"]) == (FLOW, str(attempt))
    assert len(await commands.scheduled(other)) == 1


type Race = Callable[[Commands, EventId, ApprovalId], tuple[Awaitable[object], Awaitable[object]]]

OUTCOMES: dict[str, tuple[Race, set[tuple[EventStatus, Financing]]]] = {
    "reserved against the deadline": (
        lambda commands, event, attempt: (commands.reserved(event, attempt), commands.falls_due(event, attempt)),
        {(EventStatus.APPROVED, Financing.SECURED), (EventStatus.DRAFT, Financing.REFUSED)},
    ),
    "refused against the deadline": (
        lambda commands, event, attempt: (commands.refused(event, attempt), commands.falls_due(event, attempt)),
        {(EventStatus.DRAFT, Financing.REFUSED)},
    ),
    "reserved against cancel": (
        lambda commands, event, attempt: (commands.reserved(event, attempt), commands.cancel(event)),
        {(EventStatus.CANCELLED, Financing.SECURED)},
    ),
    "refused against cancel": (
        lambda commands, event, attempt: (commands.refused(event, attempt), commands.cancel(event)),
        {(EventStatus.CANCELLED, Financing.REFUSED)},
    ),
    "the deadline against cancel": (
        lambda commands, event, attempt: (commands.falls_due(event, attempt), commands.cancel(event)),
        {(EventStatus.CANCELLED, Financing.PENDING), (EventStatus.CANCELLED, Financing.REFUSED)},
    ),
    "reserved against publish": (
        lambda commands, event, attempt: (commands.reserved(event, attempt), commands.publish(event)),
        {(EventStatus.APPROVED, Financing.SECURED), (EventStatus.PUBLISHED, Financing.SECURED)},
    ),
}


@pytest.mark.parametrize("race", OUTCOMES)
async def test_whoever_comes_first_the_end_is_one_of_the_lawful_ones(race: str, commands: Commands) -> None:
    start, lawful = OUTCOMES[race]
    started = [await pending(commands) for _ in range(6)]

    for event, attempt in started:
        answers = await asyncio.gather(*start(commands, event, attempt), return_exceptions=True)
        assert not [each for each in answers if isinstance(each, BaseException) and not isinstance(each, FinancingNotSecured)]
        assert await standing(commands, event) in lawful


async def test_of_publish_and_cancel_at_once_cancel_wins_and_both_are_told_the_truth(commands: Commands) -> None:
    for _ in range(6):
        event, attempt = await pending(commands)
        await commands.reserved(event, attempt)

        published, cancelled = await asyncio.gather(commands.publish(event), commands.cancel(event), return_exceptions=True)

        assert cancelled is None
        assert published is None or isinstance(published, TransitionRefused)
        assert await standing(commands, event) == (EventStatus.CANCELLED, Financing.SECURED)
        said = [body["type"] for body in await commands.said(event)]
        assert ("EventPublished" in said) is (published is None)
        assert said[-1] == "EventCancelled"


async def test_answers_to_a_cancelled_event_write_no_message(commands: Commands) -> None:
    event, attempt = await pending(commands)
    await commands.cancel(event)
    before = await commands.said(event)

    assert await commands.reserved(event, attempt) is None
    assert await commands.released(event, attempt) is None

    assert await standing(commands, event) == (EventStatus.CANCELLED, Financing.RELEASED)
    assert await commands.said(event) == before


async def test_what_waits_and_what_is_overdue_is_counted(commands: Commands, parts: bootstrap.Parts, clock: FixedClock) -> None:
    async with parts.database.connect() as connection:
        before = await census(connection, now=clock.now())
    await pending(commands)

    async with parts.database.connect() as connection:
        now, at_the_deadline = [await census(connection, now=clock.now() + later) for later in (timedelta(0), PATIENCE)]

    assert (now.waiting_for_money, now.overdue) == (before.waiting_for_money + 1, 0)
    assert at_the_deadline.overdue == now.waiting_for_money
