"""Which step brings an event nearer to its goal. Pure: the loader asks again after every step, so it can be interrupted anywhere.

The one rule: what somebody has decided meanwhile stays decided. An event that was cancelled, or refused for want of money, is left as it is.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from klaster_local.seeding.model import Goal

OVERDUE = "overdue"


class Step(StrEnum):
    """The value is the last part of the route; WAIT is for budget's answer."""

    SUBMIT = "submit"
    APPROVE = "approve"
    PUBLISH = "publish"
    COMPLETE = "complete"
    CANCEL = "cancel"
    WAIT = "wait"


def next_step(event: Mapping[str, Any], goal: Goal, *, registered: bool) -> Step | None:
    """None when the goal is reached or out of reach. `registered`: all registrations of the seed have been made."""
    match event["status"]:
        case "draft":
            return None if _was_refused(event) else Step.SUBMIT
        case "submitted":
            return Step.APPROVE
        case "approved" if event["financing"] == "pending":
            return Step.WAIT
        case "approved":
            return None if goal in {"approved", "refused"} else Step.PUBLISH
        case "published" if registered and goal == "completed":
            return Step.COMPLETE
        case "published" if registered and goal == "cancelled":
            return Step.CANCEL
        case _:
            return None


def _was_refused(event: Mapping[str, Any]) -> bool:
    """For want of money; an approval that merely was not answered in time is worth another try."""
    return event["financing"] == "refused" and (event["refusal"] or {}).get("reason") != OVERDUE
