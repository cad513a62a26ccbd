"""Why a grant does not bear an event's costs. Nothing is reserved then, on any line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.requests import LineAmount
from klaster_shared.money import Money


class RefusalReason(StrEnum):
    """The first that applies, in this order."""

    UNKNOWN_GRANT = "unknown_grant"
    UNKNOWN_LINE = "unknown_line"
    OTHER_CURRENCY = "other_currency"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`line_code` is the first line that the reason concerns, None when the grant is unknown; `shortfalls` has every line without enough
    money, and how much it lacks.
    """

    reason: RefusalReason
    line_code: str | None = None
    shortfalls: tuple[LineAmount, ...] = ()

    @classmethod
    def on_first(cls, reason: RefusalReason, concerned: Iterable[LineAmount]) -> Self | None:
        """None when no cost is concerned."""
        first = next(iter(concerned), None)
        return None if first is None else cls(reason=reason, line_code=first.line_code)

    @property
    def short_by(self) -> Money | None:
        """What the first short line lacks."""
        return self.shortfalls[0].amount if self.shortfalls else None


def refusal_of(costs: Sequence[LineAmount], ledger: Ledger) -> Refusal | None:
    """None when every line can bear its cost."""
    unknown = (cost for cost in costs if cost.line_code not in ledger)
    foreign = (cost for cost in costs if cost.amount.currency != ledger.currency)
    return (
        Refusal.on_first(RefusalReason.UNKNOWN_LINE, unknown)
        or Refusal.on_first(RefusalReason.OTHER_CURRENCY, foreign)
        or _insufficient(costs, ledger)
    )


def _insufficient(costs: Sequence[LineAmount], ledger: Ledger) -> Refusal | None:
    missing = [LineAmount(line_code=cost.line_code, amount=cost.amount - ledger[cost.line_code].available) for cost in costs]
    shortfalls = tuple(short for short in missing if short.amount.is_positive)
    if not shortfalls:
        return None
    return Refusal(reason=RefusalReason.INSUFFICIENT, line_code=shortfalls[0].line_code, shortfalls=shortfalls)
