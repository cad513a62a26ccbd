"""The approval as a whole: the office asks, budget answers, early, late, twice or never."""

from dataclasses import dataclass

import pytest

from klaster_events.application.approve_event import ApproveEvent, approve_event
from klaster_events.application.cancel_event import CancelEvent, cancel_event
from klaster_events.application.draft_event import DraftEvent, draft_event
from klaster_events.application.expire_approval import ExpireApproval, expire_approval
from klaster_events.application.publish_event import PublishEvent, publish_event
from klaster_events.application.refuse_financing import RefuseFinancing, refuse_financing
from klaster_events.application.release_financing import ReleaseFinancing, release_financing
from klaster_events.application.secure_financing import SecureFinancing, secure_financing
from klaster_events.application.submit_event import SubmitEvent, submit_event
from klaster_events.domain.approval import Approval, Consent, Financing, Ignored
from klaster_events.domain.attempt import Attempt, Outcome, Release
from klaster_events.domain.errors import FinancingNotSecured, TransitionRefused
from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.facts import EventWasReturnedToDraft
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.proposal import Cost
from klaster_events.domain.refusals import OVERDUE
from klaster_events.testing import FLOW, NOON, OFFICE, PATIENCE, SHORT, InMemoryWork, a_cost, a_proposal, an_approval_id
from klaster_shared.errors import NotFound
from klaster_shared.ids import new_id


@dataclass(slots=True)
class Saga:
    """One event in an in-memory work, and the steps by their names."""

    work: InMemoryWork
    event_id: EventId

    @property
    def event(self) -> Event:
        return self.work.events.kept.rows[self.event_id]

    @property
    def approval(self) -> Approval:
        return self.work.approvals.rows[self.event_id]

    async def submit(self) -> None:
        await submit_event(SubmitEvent(event=self.event_id), self.work)

    async def approve(self) -> ApprovalId:
        await approve_event(ApproveEvent(event=self.event_id, answer_within=PATIENCE), self.work)
        assert self.approval.consent is not None
        return self.approval.consent.id

    async def publish(self) -> None:
        await publish_event(PublishEvent(event=self.event_id), self.work)

    async def cancel(self) -> None:
        await cancel_event(CancelEvent(event=self.event_id, reason="No speaker."), self.work)

    async def reserved(self, attempt: ApprovalId) -> Ignored | None:
        return await secure_financing(SecureFinancing(event=self.event_id, approval=attempt), self.work)

    async def refused(self, attempt: ApprovalId) -> Ignored | None:
        return await refuse_financing(RefuseFinancing(event=self.event_id, approval=attempt, refusal=SHORT), self.work)

    async def released(self, attempt: ApprovalId) -> Ignored | None:
        return await release_financing(ReleaseFinancing(event=self.event_id, approval=attempt, lines=(a_cost(),)), self.work)

    async def falls_due(self, attempt: ApprovalId) -> Ignored | None:
        self.work.now += PATIENCE
        return await expire_approval(ExpireApproval(event=self.event_id, approval=attempt), self.work)

    def became_of(self, attempt: ApprovalId) -> Attempt:
        return self.work.attempts.rows[attempt]


async def a_saga(*costs: Cost) -> Saga:
    work = InMemoryWork()
    event = await draft_event(DraftEvent(proposal=a_proposal(*costs)), work)
    saga = Saga(work, event.id)
    await saga.submit()
    return saga


async def test_an_event_with_costs_waits_for_the_answer() -> None:
    saga = await a_saga(a_cost())

    attempt = await saga.approve()

    assert saga.event.status is EventStatus.APPROVED
    assert saga.approval.financing is Financing.PENDING
    assert saga.approval.consent == Consent(id=attempt, by=OFFICE, at=NOON, flow=FLOW, deadline=NOON + PATIENCE)


async def test_an_event_without_costs_may_be_published_at_once() -> None:
    saga = await a_saga()
    await saga.approve()

    await saga.publish()

    assert saga.event.status is EventStatus.PUBLISHED
    assert saga.approval.financing is Financing.NONE


async def test_an_event_whose_money_is_reserved_may_be_published() -> None:
    saga = await a_saga(a_cost())
    assert await saga.reserved(await saga.approve()) is None

    await saga.publish()

    assert saga.event.status is EventStatus.PUBLISHED
    assert saga.approval.financing is Financing.SECURED


async def test_an_event_that_waits_for_its_money_is_not_published() -> None:
    saga = await a_saga(a_cost())
    await saga.approve()

    with pytest.raises(FinancingNotSecured) as refusal:
        await saga.publish()

    assert refusal.value.fields["financing"] == Financing.PENDING
    assert saga.event.status is EventStatus.APPROVED


async def test_an_event_not_approved_is_refused_by_its_state_not_by_its_money() -> None:
    saga = await a_saga(a_cost())

    with pytest.raises(TransitionRefused):
        await saga.publish()


async def test_a_refusal_returns_the_event_to_draft_with_its_reason() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()

    assert await saga.refused(attempt) is None

    assert saga.event.status is EventStatus.DRAFT
    assert (saga.approval.financing, saga.approval.refusal) == (Financing.REFUSED, SHORT)
    fact = saga.work.events.kept.facts[-1]
    assert isinstance(fact, EventWasReturnedToDraft)
    assert (fact.approval, fact.refusal) == (attempt, SHORT)


async def test_submitting_again_asks_for_nothing_yet() -> None:
    saga = await a_saga(a_cost())
    await saga.refused(await saga.approve())

    await saga.submit()

    assert (saga.approval.financing, saga.approval.refusal) == (Financing.NONE, None)


async def test_answers_to_the_attempt_before_are_late() -> None:
    saga = await a_saga(a_cost())
    first = await saga.approve()
    await saga.refused(first)
    await saga.submit()
    second = await saga.approve()

    assert first != second
    assert await saga.reserved(first) is Ignored.NOT_CURRENT
    assert await saga.refused(first) is Ignored.NOT_CURRENT
    assert saga.approval.financing is Financing.PENDING


async def test_an_answer_before_the_next_approval_is_late() -> None:
    saga = await a_saga(a_cost())
    first = await saga.approve()
    await saga.refused(first)
    await saga.submit()

    assert await saga.reserved(first) is Ignored.NOT_AWAITED
    assert saga.approval.financing is Financing.NONE


async def test_the_same_answer_twice_counts_once() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.reserved(attempt)

    assert await saga.reserved(attempt) is Ignored.NOT_AWAITED
    assert await saga.refused(attempt) is Ignored.NOT_AWAITED
    assert saga.approval.financing is Financing.SECURED


async def test_without_an_answer_the_event_returns_to_draft_as_overdue() -> None:
    saga = await a_saga(a_cost())

    assert await saga.falls_due(await saga.approve()) is None

    assert saga.event.status is EventStatus.DRAFT
    assert (saga.approval.financing, saga.approval.refusal) == (Financing.REFUSED, OVERDUE)
    assert isinstance(saga.work.events.kept.facts[-1], EventWasReturnedToDraft)


async def test_an_answer_after_the_deadline_is_late() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.falls_due(attempt)

    assert await saga.reserved(attempt) is Ignored.NOT_AWAITED
    assert saga.event.status is EventStatus.DRAFT
    assert saga.approval.financing is Financing.REFUSED


async def test_a_deadline_that_passes_after_the_answer_changes_nothing() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.reserved(attempt)

    assert await saga.falls_due(attempt) is Ignored.NOT_AWAITED

    assert saga.event.status is EventStatus.APPROVED


async def test_a_deadline_of_the_attempt_before_changes_nothing() -> None:
    saga = await a_saga(a_cost())
    first = await saga.approve()
    await saga.refused(first)
    await saga.submit()
    await saga.approve()

    assert await saga.falls_due(first) is Ignored.NOT_CURRENT

    assert (saga.event.status, saga.approval.financing) == (EventStatus.APPROVED, Financing.PENDING)


async def test_a_deadline_that_passes_twice_counts_once() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.falls_due(attempt)
    version = saga.event.version

    assert await saga.falls_due(attempt) is Ignored.NOT_AWAITED

    assert saga.event.version == version


async def test_cancelling_closes_the_deadline() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.cancel()

    assert await saga.falls_due(attempt) is Ignored.NOT_AWAITED

    assert saga.event.status is EventStatus.CANCELLED


async def test_on_a_cancelled_event_a_reservation_sets_only_the_financing() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.cancel()
    version = saga.event.version

    assert await saga.reserved(attempt) is None

    assert saga.approval.financing is Financing.SECURED
    assert (saga.event.status, saga.event.version) == (EventStatus.CANCELLED, version)


async def test_on_a_cancelled_event_the_money_given_back_is_released() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.reserved(attempt)
    await saga.cancel()
    version = saga.event.version

    assert await saga.released(attempt) is None

    assert saga.approval.financing is Financing.RELEASED
    assert (saga.event.status, saga.event.version) == (EventStatus.CANCELLED, version)


async def test_a_refusal_after_the_cancellation_does_not_revive_the_event() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.cancel()
    version = saga.event.version

    assert await saga.refused(attempt) is None

    assert saga.approval.financing is Financing.REFUSED
    assert (saga.event.status, saga.event.version) == (EventStatus.CANCELLED, version)


async def test_cancelling_with_nothing_open_leaves_the_financing_as_it_is() -> None:
    saga = await a_saga()
    await saga.approve()

    await saga.cancel()

    assert saga.approval.financing is Financing.NONE


async def test_money_given_back_for_a_lapsed_attempt_is_seen_on_it_and_nowhere_else() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.falls_due(attempt)

    assert await saga.released(attempt) is None

    assert saga.approval.financing is Financing.REFUSED
    assert saga.became_of(attempt).outcome is Outcome.OVERDUE
    assert saga.became_of(attempt).release == Release(saga.work.now, (a_cost(),))


async def test_money_given_back_for_the_attempt_before_leaves_the_present_one_alone() -> None:
    saga = await a_saga(a_cost())
    first = await saga.approve()
    await saga.falls_due(first)
    await saga.submit()
    second = await saga.approve()

    assert await saga.released(first) is None

    assert saga.became_of(first).release is not None
    assert saga.became_of(second) == Attempt.begun(
        saga.event_id, Consent(id=second, by=OFFICE, at=saga.work.now, flow=FLOW, deadline=saga.work.now + PATIENCE)
    )
    assert saga.approval.financing is Financing.PENDING


async def test_an_answer_for_an_unknown_event_is_passed_over() -> None:
    saga = Saga(InMemoryWork(), EventId(new_id()))

    assert await saga.reserved(an_approval_id()) is Ignored.UNKNOWN_EVENT
    assert await saga.refused(an_approval_id()) is Ignored.UNKNOWN_EVENT
    assert await saga.released(an_approval_id()) is Ignored.UNKNOWN_EVENT
    assert await saga.falls_due(an_approval_id()) is Ignored.UNKNOWN_EVENT


async def test_what_is_not_there_cannot_be_approved() -> None:
    with pytest.raises(NotFound):
        await Saga(InMemoryWork(), EventId(new_id())).approve()


async def test_a_release_of_an_unknown_approval_is_passed_over() -> None:
    saga = await a_saga(a_cost())
    await saga.approve()

    assert await saga.released(an_approval_id()) is Ignored.UNKNOWN_APPROVAL


async def test_what_became_of_each_attempt_is_kept() -> None:
    saga = await a_saga(a_cost())
    overdue = await saga.approve()
    await saga.falls_due(overdue)
    await saga.submit()
    refused = await saga.approve()
    await saga.refused(refused)
    await saga.submit()
    secured = await saga.approve()
    await saga.reserved(secured)

    assert [(kept.outcome, kept.refusal) for kept in map(saga.became_of, (overdue, refused, secured))] == [
        (Outcome.OVERDUE, OVERDUE),
        (Outcome.REFUSED, SHORT),
        (Outcome.SECURED, None),
    ]
    assert saga.became_of(overdue).answered_at is None
    assert saga.became_of(refused).answered_at == saga.became_of(refused).closed_at == saga.work.now


async def test_an_attempt_of_a_cancelled_event_stays_cancelled_whatever_budget_says() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    await saga.cancel()
    await saga.reserved(attempt)
    await saga.released(attempt)

    kept = saga.became_of(attempt)
    assert (kept.outcome, kept.closed_at, kept.answered_at) == (Outcome.CANCELLED, NOON, NOON)
    assert kept.release is not None


async def test_an_approval_of_which_no_history_was_kept_is_answered_all_the_same() -> None:
    saga = await a_saga(a_cost())
    attempt = await saga.approve()
    saga.work.attempts.rows.clear()

    assert await saga.reserved(attempt) is None
    await saga.cancel()
    assert await saga.released(attempt) is None

    assert saga.approval.financing is Financing.RELEASED
    assert saga.work.attempts.rows == {}
