"""Why an event gets no money: the words of the budget service, and one reason of our own."""

from dataclasses import dataclass
from enum import StrEnum

from klaster_shared.money import Money


class Reason(StrEnum):
    """`overdue`: budget did not answer in time; all others are budget's."""

    INSUFFICIENT = "insufficient"
    UNKNOWN_GRANT = "unknown_grant"
    UNKNOWN_LINE = "unknown_line"
    OTHER_CURRENCY = "other_currency"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """By how much one line falls short."""

    line_code: str
    short_by: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`line_code` and `short_by` are those of the first short line; `line_code` alone when that line is unknown."""

    reason: Reason
    line_code: str | None = None
    short_by: Money | None = None
    shortfalls: tuple[Shortfall, ...] = ()


OVERDUE = Refusal(reason=Reason.OVERDUE)
