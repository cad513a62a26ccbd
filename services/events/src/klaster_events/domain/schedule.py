"""When an event takes place: two instants, and the zone in which people read them off a clock.

The one rule: the zone belongs to the event, not to whoever looks. A workshop in Évry at nine is at nine in every calendar.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from klaster_shared.clock import Instant
from klaster_shared.errors import Invalid

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Calendars and zone rules are dependable between these; projects of the past are entered, too."""

_NO_PLACE = frozenset({"Factory", "localtime"})
"""In the zone database of many systems, but no zone of IANA's: the second means whatever the machine is set to."""


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_PLACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Raises Invalid when the event would end before or as it starts, lies out of range, or names no IANA zone."""

    starts_at: Instant
    ends_at: Instant
    time_zone: str

    def __post_init__(self) -> None:
        if self.time_zone not in _zones():
            raise Invalid("time_zone", "not a zone of the IANA database, such as Europe/Warsaw")
        for field, instant in (("starts_at", self.starts_at), ("ends_at", self.ends_at)):
            if not EARLIEST <= instant < LATEST:
                raise Invalid(field, f"not between the years {EARLIEST.year} and {LATEST.year - 1}")
        if self.ends_at <= self.starts_at:
            raise Invalid("ends_at", "must be later than starts_at")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def local_start(self) -> datetime:
        """The wall time at the place of the event."""
        return self.starts_at.astimezone(self.zone)

    @property
    def local_end(self) -> datetime:
        return self.ends_at.astimezone(self.zone)
