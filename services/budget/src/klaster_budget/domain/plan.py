"""What a grant's agreement fixes once: its period and its lines."""

from dataclasses import dataclass
from datetime import date

from klaster_budget.domain.errors import OutsideGrantPeriod
from klaster_budget.domain.ids import GrantCode, GrantId, LineId
from klaster_shared.errors import Invalid
from klaster_shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Both days included. Raises Invalid when it ends before it starts."""

    starts_on: date
    ends_on: date

    def __post_init__(self) -> None:
        if self.ends_on < self.starts_on:
            raise Invalid("ends_on", "not before starts_on")

    def __contains__(self, day: date) -> bool:
        return self.starts_on <= day <= self.ends_on


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLine:
    """`code` cites the line and is unique in its grant; `category` is the funder's cost category."""

    id: LineId
    code: str
    name: str
    category: str
    planned: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTerms:
    """What an expenditure has to respect of its grant."""

    id: GrantId
    code: GrantCode
    currency: str
    period: Period

    def require_in_period(self, issued_on: date) -> None:
        """Raises OutsideGrantPeriod. Today has no part in it: documents are entered long after they were issued."""
        if issued_on not in self.period:
            raise OutsideGrantPeriod(issued_on, self.period.starts_on, self.period.ends_on)
