"""The places between two steps where a process that dies leaves the most behind, named where they are.

The one rule: `reached` stands exactly once for each point, right after the step that it is named for, and does nothing unless
something was armed; what that does is decided by test builds alone (`klaster_shared.testing.crashing`).
"""

from collections.abc import Callable
from enum import StrEnum


class CrashPoint(StrEnum):
    BEFORE_COMMIT = "before_commit"
    """Of any unit of work: everything is written, nothing is committed."""
    AFTER_COMMIT = "after_commit"
    """Of a unit of work with something to publish: the relay does not know of it yet."""
    AFTER_SEND = "after_send"
    """The broker has acknowledged rows that still lie in the outbox."""
    AFTER_OUTBOX_DELETE = "after_outbox_delete"
    AFTER_EFFECT_COMMIT = "after_effect_commit"
    """A chunk is committed with its effects; this process has not noted that yet."""
    BEFORE_OFFSET_COMMIT = "before_offset_commit"
    AFTER_HTTP_COMMIT = "after_http_commit"
    """A command is done and its caller does not know."""
    AFTER_PARK_COMMIT = "after_park_commit"
    """A chunk is committed that closed a gate or queued behind one."""
    AFTER_UNPARK_COMMIT = "after_unpark_commit"
    """The head of a gate is applied and gone; who follows it is not settled."""
    AFTER_CLAIM_COMMIT = "after_claim_commit"
    """Mails are claimed, none is sent."""
    AFTER_SMTP_ANSWER = "after_smtp_answer"
    """The mail server has taken a mail and it is not written down."""


_armed: Callable[[CrashPoint], None] | None = None


def reached(point: CrashPoint) -> None:
    if _armed is not None:
        _armed(point)


def arm(what: Callable[[CrashPoint], None] | None) -> None:
    """From now on `what` is called at every point; None disarms."""
    global _armed  # noqa: PLW0603 - one process, one death
    _armed = what
