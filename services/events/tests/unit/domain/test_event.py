from collections.abc import Callable
from dataclasses import replace

import pytest

from klaster_events.domain.errors import EventNotOpen, TransitionRefused, WithdrawalClosed
from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.facts import (
    EventWasApproved,
    EventWasCancelled,
    EventWasCompleted,
    EventWasDrafted,
    EventWasPublished,
    EventWasReturnedToDraft,
    EventWasRevised,
    EventWasSubmitted,
)
from klaster_events.domain.ids import EventId, RegistrationId
from klaster_events.domain.refusals import OVERDUE
from klaster_events.testing import NOON, OFFICE, SHORT, a_cost, a_proposal, an_approval_id, an_event
from klaster_shared.ids import new_id

IN_STATE: dict[EventStatus, Callable[[], Event]] = {
    EventStatus.DRAFT: lambda: an_event().build(),
    EventStatus.SUBMITTED: lambda: an_event().submitted().build(),
    EventStatus.APPROVED: lambda: an_event().approved().build(),
    EventStatus.PUBLISHED: lambda: an_event().published().build(),
    EventStatus.COMPLETED: lambda: an_event().completed().build(),
    EventStatus.CANCELLED: lambda: an_event().cancelled().build(),
}

STEPS: dict[str, Callable[[Event], None]] = {
    "revise": lambda event: event.revise(replace(event.proposal, capacity=event.proposal.capacity + 1), at=NOON),
    "submit": lambda event: event.submit(at=NOON),
    "approve": lambda event: event.approve(an_approval_id(), deadline=None, at=NOON),
    "return": lambda event: event.return_to_draft(an_approval_id(), SHORT, at=NOON),
    "publish": lambda event: event.publish(at=NOON),
    "complete": lambda event: event.complete(at=NOON),
    "cancel": lambda event: event.cancel("No speaker.", at=NOON),
}

ALLOWED: dict[tuple[EventStatus, str], tuple[EventStatus, type]] = {
    (EventStatus.DRAFT, "revise"): (EventStatus.DRAFT, EventWasRevised),
    (EventStatus.DRAFT, "submit"): (EventStatus.SUBMITTED, EventWasSubmitted),
    (EventStatus.SUBMITTED, "approve"): (EventStatus.APPROVED, EventWasApproved),
    (EventStatus.APPROVED, "return"): (EventStatus.DRAFT, EventWasReturnedToDraft),
    (EventStatus.APPROVED, "publish"): (EventStatus.PUBLISHED, EventWasPublished),
    (EventStatus.PUBLISHED, "complete"): (EventStatus.COMPLETED, EventWasCompleted),
    (EventStatus.DRAFT, "cancel"): (EventStatus.CANCELLED, EventWasCancelled),
    (EventStatus.SUBMITTED, "cancel"): (EventStatus.CANCELLED, EventWasCancelled),
    (EventStatus.APPROVED, "cancel"): (EventStatus.CANCELLED, EventWasCancelled),
    (EventStatus.PUBLISHED, "cancel"): (EventStatus.CANCELLED, EventWasCancelled),
}
REFUSED = [(state, step) for state in EventStatus for step in STEPS if (state, step) not in ALLOWED]


@pytest.mark.parametrize(("state", "step"), ALLOWED)
def test_an_allowed_step_moves_the_event_and_is_one_fact(state: EventStatus, step: str) -> None:
    event = IN_STATE[state]()

    STEPS[step](event)

    status, fact = ALLOWED[state, step]
    assert event.status is status
    assert [type(recorded) for recorded in event.facts] == [fact]


@pytest.mark.parametrize(("state", "step"), REFUSED)
def test_any_other_step_is_refused_by_the_state_and_changes_nothing(state: EventStatus, step: str) -> None:
    event = IN_STATE[state]()

    with pytest.raises(TransitionRefused) as refusal:
        STEPS[step](event)

    assert refusal.value.fields["state"] == state
    assert event.status is state
    assert not event.facts


def test_a_new_event_is_a_draft() -> None:
    proposal = a_proposal()

    event = Event.drafted(EventId(new_id()), proposal, by=OFFICE, at=NOON)

    assert event.status is EventStatus.DRAFT
    assert event.facts == [EventWasDrafted(event=event.id, proposal=proposal, at=NOON)]


def test_a_revision_that_changes_nothing_is_no_fact() -> None:
    event = an_event().build()

    event.revise(replace(event.proposal), at=NOON)

    assert not event.facts


def test_the_approval_names_the_attempt_and_what_it_costs() -> None:
    event, approval = an_event(a_cost()).submitted().build(), an_approval_id()

    event.approve(approval, deadline=NOON, at=NOON)

    (fact,) = event.facts
    assert (fact.approval, fact.deadline, fact.proposal.costs) == (approval, NOON, (a_cost(),))


def test_an_event_returned_to_draft_may_go_the_whole_way_again() -> None:
    event, first, second = an_event(a_cost()).submitted().build(), an_approval_id(), an_approval_id()

    event.approve(first, deadline=NOON, at=NOON)
    event.return_to_draft(first, OVERDUE, at=NOON)
    event.submit(at=NOON)
    event.approve(second, deadline=NOON, at=NOON)

    assert event.status is EventStatus.APPROVED


def test_a_cancelled_event_keeps_the_reason() -> None:
    event = an_event().build()

    event.cancel("No speaker.", at=NOON)

    assert event.cancellation_reason == "No speaker."


@pytest.mark.parametrize("state", [state for state in EventStatus if state is not EventStatus.PUBLISHED])
def test_only_a_published_event_takes_registrations(state: EventStatus) -> None:
    with pytest.raises(EventNotOpen) as refusal:
        IN_STATE[state]().require_open()

    assert refusal.value.fields["state"] == state


@pytest.mark.parametrize("state", [EventStatus.COMPLETED, EventStatus.CANCELLED])
def test_nobody_withdraws_from_an_event_that_is_over(state: EventStatus) -> None:
    with pytest.raises(WithdrawalClosed) as refusal:
        IN_STATE[state]().require_withdrawals(RegistrationId(new_id()))

    assert refusal.value.fields["state"] == state


def test_a_calendar_entry_carries_the_version_this_transaction_will_store() -> None:
    event = an_event().published().build()

    event.cancel("No speaker.", at=NOON)

    announced = event.entry.sequence
    event.stored()
    assert announced == event.version == event.entry.sequence
