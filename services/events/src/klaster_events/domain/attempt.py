"""What became of every approval an event ever had: kept when the process has gone on to the next one.

The one rule: an attempt ends once, with the first thing that ends it. What comes later (an answer to a cancelled event, money
given back) is added to it and changes no outcome. Changed only under the row lock of the event's approval.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from klaster_events.domain.approval import Consent
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.proposal import Cost
from klaster_events.domain.refusals import OVERDUE, Refusal
from klaster_shared.clock import Instant


class Outcome(StrEnum):
    """`waiting` for budget; `not_needed`: no costs, nobody was asked; `cancelled`: the event was, before budget had answered."""

    WAITING = "waiting"
    NOT_NEEDED = "not_needed"
    SECURED = "secured"
    REFUSED = "refused"
    OVERDUE = "overdue"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Release:
    """The compensation: what budget gave back to its lines, and when this service heard of it."""

    at: Instant
    lines: tuple[Cost, ...]


@dataclass(slots=True, kw_only=True)
class Attempt:
    """`deadline` is the one that was set. `answered_at`: when an answer of budget counted, also on a cancelled event. What was written
    before attempts were kept may lack both, and the time of its end.
    """

    id: ApprovalId
    event: EventId
    by: str
    at: Instant
    deadline: Instant | None
    outcome: Outcome
    refusal: Refusal | None = None
    closed_at: Instant | None = None
    answered_at: Instant | None = None
    release: Release | None = None

    @classmethod
    def begun(cls, event: EventId, consent: Consent) -> Self:
        attempt = cls(id=consent.id, event=event, by=consent.by, at=consent.at, deadline=consent.deadline, outcome=Outcome.WAITING)
        if consent.deadline is None:
            attempt._close(Outcome.NOT_NEEDED, consent.at)
        return attempt

    def secure(self, *, at: Instant) -> None:
        self.answered_at = at
        self._close(Outcome.SECURED, at)

    def refuse(self, refusal: Refusal, *, at: Instant) -> None:
        self.answered_at, self.refusal = at, refusal
        self._close(Outcome.REFUSED, at)

    def lapse(self, *, at: Instant) -> None:
        self.refusal = OVERDUE
        self._close(Outcome.OVERDUE, at)

    def cancel(self, *, at: Instant) -> None:
        self._close(Outcome.CANCELLED, at)

    def compensate(self, lines: tuple[Cost, ...], *, at: Instant) -> None:
        """What budget had reserved for it, be it too late, is free again."""
        self.release = Release(at, lines)

    def _close(self, outcome: Outcome, at: Instant) -> None:
        if self.outcome is Outcome.WAITING:
            self.outcome, self.closed_at = outcome, at
