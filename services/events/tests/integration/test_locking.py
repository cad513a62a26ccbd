"""What a command decides after it had to wait: never on what it saw before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from klaster_events import bootstrap
from klaster_events.adapters.work import EventsWork
from klaster_events.application.cancel_event import CancelEvent, cancel_event
from klaster_events.application.complete_event import CompleteEvent, complete_event
from klaster_events.application.expire_approval import ExpireApproval, expire_approval
from klaster_events.application.secure_financing import SecureFinancing, secure_financing
from klaster_events.domain.approval import Financing, Ignored
from klaster_events.domain.errors import EventNotOpen, TransitionRefused, WithdrawalClosed
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import EventId
from klaster_events.testing import Commands, a_cost
from klaster_shared.origin import Origin
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

type First = Callable[[EventsWork], Awaitable[object]]


class Queue:
    """Lets one command wait for the locks of another, which commits only when the first is seen waiting."""

    def __init__(self, parts: bootstrap.Parts) -> None:
        self._parts = parts

    async def behind[R](self, first: First, second: Coroutine[Any, Any, R]) -> R:
        async with self._parts.transactions.begin(Origin(correlation_id="first", causation_id="first")) as work:
            await first(work)
            waiting = asyncio.create_task(second)
            await eventually(self._somebody_waits, what="the second command to wait for a lock")
        return await waiting

    async def _somebody_waits(self) -> bool:
        async with self._parts.database.connect() as connection:
            sql = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return bool(await connection.fetchval(sql))


@pytest.fixture
def queue(parts: bootstrap.Parts) -> Queue:
    return Queue(parts)


def cancelling(event: EventId) -> First:
    return lambda work: cancel_event(CancelEvent(event=event, reason="No speaker."), work)


def completing(event: EventId) -> First:
    return lambda work: complete_event(CompleteEvent(event=event), work)


@asynccontextmanager
async def refused_with(refusal: type[Exception], state: EventStatus) -> AsyncIterator[None]:
    with pytest.raises(refusal) as raised:
        yield
    assert raised.value.fields["state"] == state  # type: ignore[attr-defined]  # every refusal here names its state


async def test_who_registers_behind_a_cancellation_gets_no_seat(commands: Commands, queue: Queue) -> None:
    event = await commands.published()

    async with refused_with(EventNotOpen, EventStatus.CANCELLED):
        await queue.behind(cancelling(event), commands.register(event, "late@example.org"))

    assert (await commands.in_full(event)).seats.confirmed == 0


async def test_who_withdraws_behind_a_cancellation_promotes_nobody(commands: Commands, queue: Queue) -> None:
    event = await commands.published(capacity=1)
    first = await commands.register(event, "first@example.org")
    await commands.register(event, "second@example.org")

    async with refused_with(WithdrawalClosed, EventStatus.CANCELLED):
        await queue.behind(cancelling(event), commands.withdraw(first.registration.id))

    assert "RegistrationConfirmed" not in [body["type"] for body in (await commands.said(event))[-3:]]


async def test_who_withdraws_behind_a_completion_is_refused(commands: Commands, queue: Queue) -> None:
    event = await commands.published()
    first = await commands.register(event, "first@example.org")

    async with refused_with(WithdrawalClosed, EventStatus.COMPLETED):
        await queue.behind(completing(event), commands.withdraw(first.registration.id))


async def test_who_publishes_behind_a_cancellation_is_refused(commands: Commands, queue: Queue) -> None:
    event = await commands.approved()

    async with refused_with(TransitionRefused, EventStatus.CANCELLED):
        await queue.behind(cancelling(event), commands.publish(event))


async def test_a_reservation_that_waits_behind_the_deadline_is_late(commands: Commands, queue: Queue) -> None:
    event = await commands.approved(a_cost())
    attempt = await commands.current_approval(event)

    falling_due = ExpireApproval(event=event, approval=attempt)
    answer = await queue.behind(lambda work: expire_approval(falling_due, work), commands.reserved(event, attempt))

    assert answer is Ignored.NOT_AWAITED
    found = await commands.in_full(event)
    assert (found.event.status, found.approval.financing) == (EventStatus.DRAFT, Financing.REFUSED)


async def test_a_deadline_that_waits_behind_the_answer_is_passed_over(commands: Commands, queue: Queue) -> None:
    event = await commands.approved(a_cost())
    attempt = await commands.current_approval(event)

    answer = SecureFinancing(event=event, approval=attempt)
    ignored = await queue.behind(lambda work: secure_financing(answer, work), commands.falls_due(event, attempt))

    assert ignored is Ignored.NOT_AWAITED
    found = await commands.in_full(event)
    assert (found.event.status, found.approval.financing) == (EventStatus.APPROVED, Financing.SECURED)


async def test_a_refusal_that_waits_behind_a_cancellation_sets_only_the_financing(commands: Commands, queue: Queue) -> None:
    event = await commands.approved(a_cost())
    attempt = await commands.current_approval(event)

    assert await queue.behind(cancelling(event), commands.refused(event, attempt)) is None

    found = await commands.in_full(event)
    assert (found.event.status, found.approval.financing) == (EventStatus.CANCELLED, Financing.REFUSED)
    assert (await commands.said(event))[-1]["type"] == "EventCancelled"
