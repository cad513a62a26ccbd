from collections.abc import Callable

import pytest

from klaster_events.domain.approval import Approval, Consent, Financing, Ignored
from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.ids import ApprovalId
from klaster_events.testing import FLOW, NOON, OFFICE, PATIENCE, SHORT, a_cost, an_approval_id, an_event


def the_event(status: EventStatus) -> Event:
    event = an_event(a_cost()).build()
    event.status = status
    return event


def a_consent(attempt: ApprovalId) -> Consent:
    return Consent(id=attempt, by=OFFICE, at=NOON, flow=FLOW, deadline=NOON + PATIENCE)


def pending(event: Event, attempt: ApprovalId) -> Approval:
    approval = Approval(event=event.id)
    approval.begin(a_consent(attempt), needs_money=True)
    return approval


AFTERWARDS: dict[Financing, Callable[[Approval], None]] = {
    Financing.NONE: Approval.resubmitted,
    Financing.PENDING: lambda _: None,
    Financing.SECURED: Approval.secure,
    Financing.REFUSED: lambda approval: approval.refuse(SHORT),
    Financing.RELEASED: Approval.release,
}


@pytest.mark.parametrize("financing", Financing)
@pytest.mark.parametrize("status", EventStatus)
def test_a_decision_counts_only_while_pending_on_an_approved_or_cancelled_event(status: EventStatus, financing: Financing) -> None:
    event, attempt = the_event(status), an_approval_id()
    approval = pending(event, attempt)
    AFTERWARDS[financing](approval)

    ignored = approval.ignores_decision(attempt, event)

    awaited = financing is Financing.PENDING and status in {EventStatus.APPROVED, EventStatus.CANCELLED}
    assert ignored is (None if awaited else Ignored.NOT_AWAITED)


@pytest.mark.parametrize("status", EventStatus)
def test_a_release_counts_only_on_a_cancelled_event(status: EventStatus) -> None:
    event, attempt = the_event(status), an_approval_id()
    approval = pending(event, attempt)
    approval.secure()

    assert approval.counts_release(attempt, event) is (status is EventStatus.CANCELLED)


def test_an_answer_to_an_earlier_attempt_is_passed_over() -> None:
    event, first, second = the_event(EventStatus.CANCELLED), an_approval_id(), an_approval_id()
    approval = pending(event, first)
    approval.begin(a_consent(second), needs_money=True)

    assert approval.ignores_decision(first, event) is Ignored.NOT_CURRENT
    assert approval.ignores_deadline(first) is Ignored.NOT_CURRENT
    assert not approval.counts_release(first, event)


def test_an_answer_to_an_event_that_nobody_approved_is_passed_over() -> None:
    event = the_event(EventStatus.SUBMITTED)

    assert Approval(event=event.id).ignores_decision(an_approval_id(), event) is Ignored.NOT_CURRENT


def test_without_costs_nothing_is_asked_for() -> None:
    approval = Approval(event=an_event().build().id)

    approval.begin(Consent(id=an_approval_id(), by=OFFICE, at=NOON, flow=FLOW, deadline=None), needs_money=False)

    assert approval.financing is Financing.NONE
    assert approval.waits_for is None


@pytest.mark.parametrize("financing", Financing)
def test_publication_needs_money_that_is_there_or_not_needed(financing: Financing) -> None:
    approval = Approval(event=an_event().build().id, financing=financing)

    assert approval.allows_publication is (financing in {Financing.NONE, Financing.SECURED})


def test_a_deadline_that_passes_counts_while_budget_is_waited_for() -> None:
    attempt = an_approval_id()
    approval = pending(the_event(EventStatus.APPROVED), attempt)

    assert approval.waits_for == a_consent(attempt)
    assert approval.ignores_deadline(attempt) is None


@pytest.mark.parametrize("answer", [Approval.secure, lambda approval: approval.refuse(SHORT), Approval.release, Approval.close])
def test_once_answered_or_closed_nothing_becomes_overdue(answer: Callable[[Approval], None]) -> None:
    attempt = an_approval_id()
    approval = pending(the_event(EventStatus.APPROVED), attempt)

    answer(approval)

    assert approval.ignores_deadline(attempt) is Ignored.NOT_AWAITED


def test_closing_leaves_what_is_pending_to_be_answered() -> None:
    approval = pending(the_event(EventStatus.CANCELLED), an_approval_id())

    approval.close()

    assert approval.financing is Financing.PENDING


def test_a_new_attempt_forgets_the_refusal_of_the_one_before() -> None:
    approval = pending(the_event(EventStatus.APPROVED), an_approval_id())
    approval.refuse(SHORT)

    approval.resubmitted()

    assert (approval.financing, approval.refusal) == (Financing.NONE, None)
