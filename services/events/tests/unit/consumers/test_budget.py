"""What becomes of each of budget's messages, without Kafka and without a database."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from klaster_events.application.approve_event import ApproveEvent, approve_event
from klaster_events.application.draft_event import DraftEvent, draft_event
from klaster_events.application.submit_event import SubmitEvent, submit_event
from klaster_events.consumers import CONSUMES, build_consumers
from klaster_events.consumers.approvals import return_to_draft_when_due
from klaster_events.consumers.budget import note_release, return_on_refusal, secure_on_reservation
from klaster_events.domain.approval import Financing
from klaster_events.domain.attempt import Release
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import EventId
from klaster_events.domain.refusals import Reason, Refusal, Shortfall
from klaster_events.testing import PATIENCE, InMemoryWork, a_cost, a_proposal
from klaster_shared.consuming.handling import Skipped
from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import CostLine, LocalisedText, MoneyValue
from klaster_shared.contracts.bodies import Shortfall as ShortfallOnWire
from klaster_shared.contracts.budget import CommitmentRefused, CommitmentReleased, CommitmentReserved
from klaster_shared.contracts.events import ApprovalFellDue
from klaster_shared.contracts.registry import type_of_model
from klaster_shared.ids import new_id
from klaster_shared.money import Money


async def pending() -> tuple[InMemoryWork, EventId, UUID]:
    work = InMemoryWork()
    event = await draft_event(DraftEvent(proposal=a_proposal(a_cost())), work)
    await submit_event(SubmitEvent(event=event.id), work)
    await approve_event(ApproveEvent(event=event.id, answer_within=PATIENCE), work)
    consent = work.approvals.rows[event.id].consent
    assert consent is not None
    return work, event.id, consent.id


def ids(event: UUID, approval: UUID) -> dict[str, Any]:
    return {"commitment_id": new_id(), "event_id": event, "approval_id": approval, "grant_id": new_id()}


def a_refusal(event: UUID, approval: UUID) -> CommitmentRefused:
    short_by = MoneyValue(amount=Decimal("100.00"), currency="PLN")
    return CommitmentRefused(
        **ids(event, approval),
        host_organisation_id=new_id(),
        title=LocalisedText(pl="Warsztat ekspercki", en="Expert workshop"),
        reason="insufficient",
        line_code="2.1",
        short_by=short_by,
        shortfalls=(ShortfallOnWire(line_code="2.1", short_by=short_by),),
    )


async def test_a_reservation_secures_the_financing() -> None:
    work, event, approval = await pending()

    assert await secure_on_reservation(CommitmentReserved(**ids(event, approval), lines=(), open=()), work) is None

    assert work.approvals.rows[event].financing is Financing.SECURED


async def test_a_refusal_returns_the_event_to_draft_with_every_short_line() -> None:
    work, event, approval = await pending()

    assert await return_on_refusal(a_refusal(event, approval), work) is None

    hundred = Money(Decimal(100), "PLN")
    assert work.events.kept.rows[event].status is EventStatus.DRAFT
    assert work.approvals.rows[event].refusal == Refusal(
        reason=Reason.INSUFFICIENT, line_code="2.1", short_by=hundred, shortfalls=(Shortfall("2.1", hundred),)
    )


async def test_a_late_answer_is_skipped_with_its_reason() -> None:
    work, event, _ = await pending()

    answer = await secure_on_reservation(CommitmentReserved(**ids(event, new_id()), lines=(), open=()), work)

    assert answer == Skipped("approval-not-current")


async def test_a_release_is_kept_line_by_line_on_the_attempt_it_was_for() -> None:
    work, event, approval = await pending()
    lines = (CostLine(line_code="2.1", amount=MoneyValue(amount=Decimal("1200.00"), currency="PLN")),)

    assert await note_release(CommitmentReleased(**ids(event, approval), lines=lines, open=()), work) is None

    (attempt,) = work.attempts.rows.values()
    assert attempt.release == Release(work.now, (a_cost(),))


async def test_a_release_of_an_unknown_approval_is_skipped() -> None:
    work, event, _ = await pending()

    answer = await note_release(CommitmentReleased(**ids(event, new_id()), lines=(), open=()), work)

    assert answer == Skipped("unknown-approval")


async def test_a_deadline_that_has_passed_returns_the_event_to_draft() -> None:
    work, event, approval = await pending()
    message = ApprovalFellDue(approval_id=approval, event_id=event, deadline=work.now)

    assert await return_to_draft_when_due(message, work) is None
    assert work.events.kept.rows[event].status is EventStatus.DRAFT

    assert await return_to_draft_when_due(message, work) == Skipped("answer-not-awaited")


def test_the_service_hears_budgets_commitments_and_its_own_deadlines_each_as_one_group() -> None:
    heard = build_consumers()

    assert [(consumer.name, consumer.topics) for consumer in heard] == [
        ("events.budget", (topics.BUDGET_COMMITMENT,)),
        ("events.approvals", (topics.EVENTS_APPROVAL,)),
    ]
    assert {ce_type for consumer in heard for ce_type in consumer.handlers} == {type_of_model(message).ce_type for message in CONSUMES}
