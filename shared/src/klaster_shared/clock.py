"""Time as an argument: use cases and aggregates are told the instant, only the edge looks at a clock."""

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

type Instant = datetime
"""An aware datetime in UTC."""

WARSAW = ZoneInfo("Europe/Warsaw")


class Clock(Protocol):
    def now(self) -> Instant: ...


class SystemClock:
    """The machine's clock, cut to microseconds as PostgreSQL keeps them."""

    def now(self) -> Instant:
        return datetime.now(UTC)


def day_in_warsaw(instant: Instant) -> date:
    """The calendar day of the cluster's office, which is what dates in the domain mean."""
    return instant.astimezone(WARSAW).date()
