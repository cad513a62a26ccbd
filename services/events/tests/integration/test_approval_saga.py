"""Approval, answers, deadline, publication and cancellation against each other, on PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from klaster_events import bootstrap
from klaster_events.adapters.reading import census
from klaster_events.deadlines import Deadlines
from klaster_events.domain.approval import Financing, Ignored
from klaster_events.domain.errors import FinancingNotSecured, TransitionRefused
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.refusals import OVERDUE
from klaster_events.testing import FLOW, PATIENCE, SHORT, Commands, a_cost
from klaster_shared.testing.fakes import FixedClock

pytestmark = pytest.mark.engines


@pytest.fixture
def deadlines(parts: bootstrap.Parts) -> Deadlines:
    return Deadlines(parts.transactions)


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


async def test_overdue_approvals_go_back_to_draft_in_the_flow_of_the_approval(commands: Commands, deadlines: Deadlines, clock: FixedClock) -> None:
    event, attempt = await pending(commands)
    clock.advance(PATIENCE)

    await deadlines.sweep()

    assert await standing(commands, event) == (EventStatus.DRAFT, Financing.REFUSED)
    assert (await commands.in_full(event)).approval.refusal == OVERDUE
    returned = (await commands.said(event))[-1]
    assert (returned["type"], returned["reason"], returned["approval_id"]) == ("EventReturnedToDraft", "overdue", str(attempt))
    assert returned["headers"]["ce_correlationid"] == FLOW


async def test_before_the_deadline_nothing_is_overdue(commands: Commands, deadlines: Deadlines, clock: FixedClock) -> None:
    event, _ = await pending(commands)
    clock.advance(PATIENCE - timedelta(seconds=1))

    await deadlines.sweep()

    assert await standing(commands, event) == (EventStatus.APPROVED, Financing.PENDING)


async def test_two_sweeps_at_once_return_each_event_once(commands: Commands, parts: bootstrap.Parts, clock: FixedClock) -> None:
    events = [(await pending(commands))[0] for _ in range(5)]
    clock.advance(PATIENCE)

    await asyncio.gather(*(Deadlines(parts.transactions).sweep() for _ in range(3)))

    for event in events:
        assert [body["type"] for body in await commands.said(event)].count("EventReturnedToDraft") == 1


async def test_a_sweep_does_not_wait_for_a_row_that_somebody_else_is_at(
    commands: Commands, deadlines: Deadlines, parts: bootstrap.Parts, clock: FixedClock
) -> None:
    event, _ = await pending(commands)
    clock.advance(PATIENCE)

    async with parts.database.connect() as other:
        await other.execute("BEGIN")
        await other.execute("SELECT 1 FROM approval WHERE event_id = $1 FOR UPDATE", event)
        async with asyncio.timeout(5):
            await deadlines.sweep()
        await other.execute("ROLLBACK")

    assert await standing(commands, event) == (EventStatus.APPROVED, Financing.PENDING)


async def test_one_approval_that_cannot_expire_does_not_keep_the_others_waiting(
    commands: Commands, deadlines: Deadlines, parts: bootstrap.Parts, clock: FixedClock
) -> None:
    broken, _ = await pending(commands)
    event, _ = await pending(commands)
    clock.advance(PATIENCE)
    async with parts.database.connect() as connection:
        await connection.execute("UPDATE event SET status = 'published' WHERE id = $1", broken)

    await deadlines.sweep()

    assert await standing(commands, event) == (EventStatus.DRAFT, Financing.REFUSED)
    assert deadlines.report()["trouble"] == "TransitionRefused"
    async with parts.database.connect() as connection:
        await connection.execute("UPDATE approval SET deadline = NULL WHERE event_id = $1", broken)


type Race = Callable[[Commands, Deadlines, EventId, ApprovalId], tuple[Awaitable[object], Awaitable[object]]]

OUTCOMES: dict[str, tuple[Race, set[tuple[EventStatus, Financing]]]] = {
    "reserved against the deadline": (
        lambda commands, deadlines, event, attempt: (commands.reserved(event, attempt), deadlines.sweep()),
        {(EventStatus.APPROVED, Financing.SECURED), (EventStatus.DRAFT, Financing.REFUSED)},
    ),
    "refused against the deadline": (
        lambda commands, deadlines, event, attempt: (commands.refused(event, attempt), deadlines.sweep()),
        {(EventStatus.DRAFT, Financing.REFUSED)},
    ),
    "reserved against cancel": (
        lambda commands, _, event, attempt: (commands.reserved(event, attempt), commands.cancel(event)),
        {(EventStatus.CANCELLED, Financing.SECURED)},
    ),
    "refused against cancel": (
        lambda commands, _, event, attempt: (commands.refused(event, attempt), commands.cancel(event)),
        {(EventStatus.CANCELLED, Financing.REFUSED)},
    ),
    "the deadline against cancel": (
        lambda commands, deadlines, event, _: (deadlines.sweep(), commands.cancel(event)),
        {(EventStatus.CANCELLED, Financing.PENDING), (EventStatus.CANCELLED, Financing.REFUSED)},
    ),
    "reserved against publish": (
        lambda commands, _, event, attempt: (commands.reserved(event, attempt), commands.publish(event)),
        {(EventStatus.APPROVED, Financing.SECURED), (EventStatus.PUBLISHED, Financing.SECURED)},
    ),
}


@pytest.mark.parametrize("race", OUTCOMES)
async def test_whoever_comes_first_the_end_is_one_of_the_lawful_ones(race: str, commands: Commands, deadlines: Deadlines, clock: FixedClock) -> None:
    start, lawful = OUTCOMES[race]
    started = [await pending(commands) for _ in range(6)]
    clock.advance(PATIENCE)

    for event, attempt in started:
        answers = await asyncio.gather(*start(commands, deadlines, event, attempt), return_exceptions=True)
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
