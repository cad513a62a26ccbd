from typing import Any

import pytest

from klaster_local.seeding.model import Goal
from klaster_local.seeding.steps import Step, next_step


def an_event(status: str, financing: str = "none", reason: str | None = None) -> dict[str, Any]:
    return {"status": status, "financing": financing, "refusal": None if reason is None else {"reason": reason}}


@pytest.mark.parametrize(
    ("event", "goal", "registered", "step"),
    [
        (an_event("draft"), "published", False, Step.SUBMIT),
        (an_event("submitted"), "published", False, Step.APPROVE),
        (an_event("approved", "pending"), "published", False, Step.WAIT),
        (an_event("approved", "secured"), "published", False, Step.PUBLISH),
        (an_event("approved", "none"), "published", False, Step.PUBLISH),
        (an_event("published", "secured"), "completed", True, Step.COMPLETE),
        (an_event("published", "secured"), "cancelled", True, Step.CANCEL),
    ],
)
def test_an_event_is_driven_by_one_step_at_a_time(event: dict[str, Any], goal: Goal, *, registered: bool, step: Step) -> None:
    assert next_step(event, goal, registered=registered) is step


@pytest.mark.parametrize(
    ("event", "goal"),
    [
        (an_event("published", "secured"), "published"),
        (an_event("completed", "secured"), "completed"),
        (an_event("cancelled", "released"), "cancelled"),
        (an_event("approved", "secured"), "approved"),
        (an_event("draft", "refused", "insufficient"), "refused"),
    ],
)
def test_an_event_that_has_arrived_is_left_alone(event: dict[str, Any], goal: Goal) -> None:
    assert next_step(event, goal, registered=True) is None


def test_an_event_is_not_closed_before_everybody_has_registered() -> None:
    assert next_step(an_event("published", "secured"), "completed", registered=False) is None


def test_an_event_that_somebody_has_cancelled_stays_cancelled() -> None:
    assert next_step(an_event("cancelled", "released"), "completed", registered=False) is None


def test_an_event_without_money_is_not_asked_for_again() -> None:
    assert next_step(an_event("draft", "refused", "insufficient"), "published", registered=False) is None


def test_an_approval_that_was_only_overdue_is_tried_again() -> None:
    assert next_step(an_event("draft", "refused", "overdue"), "published", registered=False) is Step.SUBMIT
