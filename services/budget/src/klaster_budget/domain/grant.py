"""A grant as it was agreed: what it is worth, from when to when, and how its value is divided into lines.

The one rule: this is the definition, and it does not change with what is spent. Balances live in `ledger.py`, outside the
aggregate, so that an approval of an event never makes somebody's copy of the definition stale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from klaster_budget.domain.facts import BudgetWasApproved, GrantWasRegistered
from klaster_budget.domain.ids import GrantCode, GrantId
from klaster_budget.domain.plan import Period, PlannedLine
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant
from klaster_shared.errors import Invalid
from klaster_shared.money import Money

MOST_LINES = 500


@dataclass(slots=True, kw_only=True)
class Grant(Aggregate):
    id: GrantId
    code: GrantCode
    name: str
    funder: str
    total: Money
    period: Period
    lines: tuple[PlannedLine, ...]
    registered_by: str
    registered_at: Instant

    @classmethod
    def registered(
        cls,
        key: GrantId,
        *,
        code: GrantCode,
        name: str,
        funder: str,
        total: Money,
        period: Period,
        lines: Sequence[PlannedLine],
        by: str,
        at: Instant,
    ) -> Self:
        """Registers the grant and approves its budget.

        Raises:
            Invalid: the total is not above zero, or the lines do not make a budget of it.
        """
        if not total.is_positive:
            raise Invalid("total", "an amount above zero is expected")
        _require_budget(total, lines)
        grant = cls(id=key, code=code, name=name, funder=funder, total=total, period=period, lines=tuple(lines), registered_by=by, registered_at=at)
        grant.facts.append(GrantWasRegistered(grant=key, code=code, name=name, funder=funder, total=total, period=period, at=at))
        grant.facts.append(BudgetWasApproved(grant=key, lines=grant.lines, at=at))
        return grant


def _require_budget(total: Money, lines: Sequence[PlannedLine]) -> None:
    if not 1 <= len(lines) <= MOST_LINES:
        raise Invalid("lines", f"1 to {MOST_LINES} lines are expected")
    codes: set[str] = set()
    for index, line in enumerate(lines):
        if line.code in codes:
            raise Invalid(f"lines.{index}.code", "another line has this code")
        if line.planned.currency != total.currency:
            raise Invalid(f"lines.{index}.planned", "the currency of the total is expected")
        if line.planned.is_negative:
            raise Invalid(f"lines.{index}.planned", "an amount not below zero is expected")
        codes.add(line.code)
    if sum(line.planned.amount for line in lines) > total.amount:
        raise Invalid("lines", "together they plan more than the total")
