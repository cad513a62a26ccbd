"""An attempt ends once; what comes later is added and changes no outcome."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from klaster_events.domain.approval import Consent
from klaster_events.domain.attempt import Attempt, Outcome, Release
from klaster_events.domain.ids import EventId
from klaster_events.domain.refusals import OVERDUE
from klaster_events.testing import FLOW, NOON, OFFICE, PATIENCE, SHORT, a_cost, an_approval_id
from klaster_shared.clock import Instant
from klaster_shared.ids import new_id

LATER = NOON + timedelta(days=1)

ENDS: dict[Outcome, Callable[[Attempt, Instant], None]] = {
    Outcome.SECURED: lambda attempt, at: attempt.secure(at=at),
    Outcome.REFUSED: lambda attempt, at: attempt.refuse(SHORT, at=at),
    Outcome.OVERDUE: lambda attempt, at: attempt.lapse(at=at),
    Outcome.CANCELLED: lambda attempt, at: attempt.cancel(at=at),
}


def an_attempt(deadline: Instant | None = NOON + PATIENCE) -> Attempt:
    return Attempt.begun(EventId(new_id()), Consent(id=an_approval_id(), by=OFFICE, at=NOON, flow=FLOW, deadline=deadline))


def test_an_attempt_with_costs_waits_and_one_without_is_over() -> None:
    assert (an_attempt().outcome, an_attempt().closed_at) == (Outcome.WAITING, None)
    assert (an_attempt(None).outcome, an_attempt(None).closed_at) == (Outcome.NOT_NEEDED, NOON)


@pytest.mark.parametrize("second", ENDS)
@pytest.mark.parametrize("first", ENDS)
def test_an_attempt_ends_with_the_first_thing_that_ends_it(first: Outcome, second: Outcome) -> None:
    attempt = an_attempt()

    ENDS[first](attempt, NOON)
    ENDS[second](attempt, LATER)

    assert (attempt.outcome, attempt.closed_at) == (first, NOON)


def test_why_an_attempt_failed_is_kept_with_it() -> None:
    overdue, refused = an_attempt(), an_attempt()
    overdue.lapse(at=LATER)
    refused.refuse(SHORT, at=LATER)

    assert (overdue.refusal, overdue.answered_at) == (OVERDUE, None)
    assert (refused.refusal, refused.answered_at) == (SHORT, LATER)


def test_the_deadline_is_kept_as_it_was_set() -> None:
    attempt = an_attempt()
    attempt.lapse(at=LATER)

    assert attempt.deadline == NOON + PATIENCE


@pytest.mark.parametrize("end", ENDS)
def test_money_given_back_is_noted_and_changes_no_outcome(end: Outcome) -> None:
    attempt = an_attempt()
    ENDS[end](attempt, NOON)

    attempt.compensate((a_cost(),), at=LATER)

    assert attempt.outcome is end
    assert attempt.release == Release(LATER, (a_cost(),))
