"""The bounds of a list by time: an instant, or a day, which then means the whole day in Europe/Warsaw."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from klaster_events.domain.schedule import EARLIEST, LATEST
from klaster_shared.clock import WARSAW
from klaster_shared.contracts.bodies import instant

_DAY_LENGTH = len("2011-09-12")
_SCHEMA = WithJsonSchema({"type": "string", "examples": ["2011-09-12", "2011-09-12T09:00:00+02:00"]})


def _midnight(day: date) -> datetime:
    """Days beyond those on which events can be held are moved to their edge: calendars end there, and nothing is left out."""
    within = min(max(day, EARLIEST.date()), LATEST.date())
    return datetime.combine(within, time(), WARSAW).astimezone(UTC)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if len(text) == _DAY_LENGTH else None


def _since(text: str) -> datetime:
    day = _day(text)
    return instant(text) if day is None else _midnight(day)


def _until(text: str) -> datetime:
    day = _day(text)
    return instant(text) if day is None else _midnight(min(day, LATEST.date()) + timedelta(days=1))


Since = Annotated[datetime, PlainValidator(_since), _SCHEMA]
"""From this instant on, or from the beginning of this day."""

Until = Annotated[datetime, PlainValidator(_until), _SCHEMA]
"""Before this instant, or up to the end of this day."""
