"""Money reserved for an approved event, on all the lines it asked for or on none.

The one rule: what was reserved on a line is consumed, released or still open, and nothing else; the status follows from these
sums. Whoever reserves, consumes or releases moves the ledger in the same breath.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from klaster_budget.domain.facts import (
    CommitmentStep,
    CommitmentWasConfirmed,
    CommitmentWasConsumed,
    CommitmentWasRefused,
    CommitmentWasReleased,
    CommitmentWasReserved,
)
from klaster_budget.domain.ids import ApprovalId, CommitmentId, EventId, GrantId, LineId
from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.refusals import Refusal, RefusalReason, refusal_of
from klaster_budget.domain.requests import CommitmentRequest, LineAmount
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant
from klaster_shared.money import Money


class CommitmentStatus(StrEnum):
    """Computed, never stored."""

    REFUSED = "refused"
    RELEASED = "released"
    CONSUMED = "consumed"
    PARTLY_CONSUMED = "partly_consumed"
    CONFIRMED = "confirmed"
    RESERVED = "reserved"


@dataclass(slots=True, kw_only=True)
class CommittedLine:
    """Raises ValueError when more is consumed and released than was reserved."""

    line: LineId
    code: str
    reserved: Money
    consumed: Money
    released: Money

    def __post_init__(self) -> None:
        if self.consumed.is_negative or self.released.is_negative or self.open.is_negative:
            raise ValueError(f"line {self.code}: {self.consumed} consumed and {self.released} released of {self.reserved} reserved")

    @classmethod
    def reserving(cls, line: LineId, code: str, amount: Money) -> Self:
        nothing = Money.zero(amount.currency)
        return cls(line=line, code=code, reserved=amount, consumed=nothing, released=nothing)

    @property
    def open(self) -> Money:
        return self.reserved - self.consumed - self.released


@dataclass(slots=True, kw_only=True)
class Commitment(Aggregate):
    """The answer to one approval of one event. A refused one has no lines."""

    id: CommitmentId
    event: EventId
    approval: ApprovalId
    grant: GrantId
    lines: tuple[CommittedLine, ...] = ()
    confirmed: bool = False
    refusal: Refusal | None = None
    answered_at: Instant

    @classmethod
    def answering(cls, key: CommitmentId, request: CommitmentRequest, ledger: Ledger | None, *, at: Instant) -> Self:
        """Reserves every cost on its line, or refuses them all. `ledger` is None when there is no such grant."""
        refusal = Refusal(reason=RefusalReason.UNKNOWN_GRANT) if ledger is None else refusal_of(request.costs, ledger)
        commitment = cls(id=key, event=request.event, approval=request.approval, grant=request.grant, refusal=refusal, answered_at=at)
        if refusal is not None:
            commitment.facts.append(CommitmentWasRefused(commitment=key, request=request, refusal=refusal, at=at))
        elif ledger is not None:
            commitment._reserve(request.costs, ledger, at)
        return commitment

    @property
    def is_open(self) -> bool:
        return any(line.open.is_positive for line in self.lines)

    @property
    def status(self) -> CommitmentStatus:
        """The first that applies, in the order of the design (section 8.1)."""
        if self.refusal is not None:
            return CommitmentStatus.REFUSED
        if any(line.released.is_positive for line in self.lines):
            return CommitmentStatus.RELEASED
        if not self.is_open:
            return CommitmentStatus.CONSUMED
        if any(line.consumed.is_positive for line in self.lines):
            return CommitmentStatus.PARTLY_CONSUMED
        return CommitmentStatus.CONFIRMED if self.confirmed else CommitmentStatus.RESERVED

    def open_on(self, line_code: str, currency: str) -> Money:
        """What an expenditure may still consume of a line; zero on lines that were not asked for."""
        return Money.sum((line.open for line in self.lines if line.code == line_code), currency)

    def confirm(self, *, at: Instant) -> None:
        """Makes firm what is open, once. With nothing open, or a second time, it changes nothing."""
        if self.confirmed or not self.is_open:
            return
        self.confirmed = True
        self._record(CommitmentWasConfirmed, self._open_lines(), at)

    def consume(self, line_code: str, wanted: Money, *, at: Instant) -> Money:
        """Uses up what is open on a line, at most `wanted`; how much that was. The caller declares it in the ledger."""
        taken = min(wanted, self.open_on(line_code, wanted.currency))
        if taken.is_positive:
            line = next(line for line in self.lines if line.code == line_code)
            line.consumed += taken
            self._record(CommitmentWasConsumed, [LineAmount(line_code=line_code, amount=taken)], at)
        return taken

    def release(self, ledger: Ledger, *, at: Instant) -> None:
        """Gives back everything that is open; with nothing open it changes nothing."""
        given_back = self._open_lines()
        if not given_back:
            return
        for line in self.lines:
            line.released += line.open
        for part in given_back:
            ledger.release(part.line_code, part.amount)
        self._record(CommitmentWasReleased, given_back, at)

    def _reserve(self, costs: Sequence[LineAmount], ledger: Ledger, at: Instant) -> None:
        for cost in costs:
            ledger.commit(cost.line_code, cost.amount)
        self.lines = tuple(CommittedLine.reserving(ledger[cost.line_code].id, cost.line_code, cost.amount) for cost in costs)
        self._record(CommitmentWasReserved, costs, at)

    def _open_lines(self) -> list[LineAmount]:
        return [LineAmount(line_code=line.code, amount=line.open) for line in self.lines if line.open.is_positive]

    def _record(self, step: type[CommitmentStep], lines: Sequence[LineAmount], at: Instant) -> None:
        self.facts.append(
            step(
                commitment=self.id,
                event=self.event,
                approval=self.approval,
                grant=self.grant,
                lines=tuple(lines),
                still_open=tuple(LineAmount(line_code=line.code, amount=line.open) for line in self.lines),
                at=at,
            )
        )
