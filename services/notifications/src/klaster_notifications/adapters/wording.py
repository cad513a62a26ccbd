"""How numbers, days and money are written in a language: the filters of the templates.

The one rule: a template never formats anything itself. Conventions are Unicode's CLDR, by Babel.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import babel
from babel.dates import format_date, format_time, get_timezone_name
from babel.numbers import format_currency

from klaster_notifications.domain.recipients import Locale

_CLDR: Final = {Locale.PL: "pl_PL", Locale.EN: "en_GB"}
_MONEY: Final = {Locale.PL: None, Locale.EN: "¤¤\N{NO-BREAK SPACE}#,##0.00"}
"""CLDR's own English pattern has no space between a currency's code and the amount."""
_TO: Final = "\N{EN DASH}"
_BREAKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class Wording:
    """One language's filters."""

    def __init__(self, locale: Locale) -> None:
        self._locale = babel.Locale.parse(_CLDR[locale])
        self._money = _MONEY[locale]

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        return {"period": self.period, "day": self.day, "money": self.money, "counted": self.counted}

    def period(self, event: Mapping[str, str]) -> str:
        """When an event takes place, at its own place's time, with the name of that time."""
        zone = zone_of(event["time_zone"])
        starts, ends = (datetime.fromisoformat(event[name]).astimezone(zone) for name in ("starts_at", "ends_at"))
        last = self._time(ends) if starts.date() == ends.date() else f"{self._weekday(ends)}, {self._time(ends)}"
        return f"{self._weekday(starts)}, {self._time(starts)} {_TO} {last} ({self._zone(starts)})"

    def day(self, text: str) -> str:
        """A calendar day given as `YYYY-MM-DD`, without its weekday."""
        return format_date(date.fromisoformat(text), "long", locale=self._locale)

    def money(self, value: Mapping[str, str]) -> str:
        """A wire amount (`{"amount", "currency"}`) with all its minor digits."""
        return format_currency(Decimal(value["amount"]), value["currency"], self._money, locale=self._locale)

    def counted(self, number: int, **forms: str) -> str:
        """The number with the form of the noun that belongs to it, as in "3 osoby"; `forms` are by CLDR's plural categories.

        Raises KeyError when a form that the language needs is missing.
        """
        return f"{number} {forms[self._locale.plural_form(number)]}"

    def _weekday(self, at: datetime) -> str:
        return format_date(at, "full", locale=self._locale)

    def _time(self, at: datetime) -> str:
        return format_time(at, "short", tzinfo=at.tzinfo, locale=self._locale)

    def _zone(self, at: datetime) -> str:
        return get_timezone_name(at, locale=self._locale)


def zone_of(name: str) -> tzinfo:
    """The IANA zone; UTC for a name that this machine's zone files do not know, which is never wrong, only less friendly."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def one_line(text: str) -> str:
    """Without line breaks and other control characters: what may stand in a header or in one line of a text."""
    return _BREAKS.sub(" ", text).strip()
