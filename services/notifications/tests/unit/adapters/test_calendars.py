from datetime import UTC, datetime
from typing import Any

import pytest
from icalendar import Calendar

from klaster_notifications.adapters.calendars import CalendarWriter, Organiser
from klaster_notifications.domain.recipients import Locale
from klaster_notifications.domain.rules import CalendarMethod
from klaster_notifications.testing import EVENT, NOON, TITLE, WORKSHOP, a_cancellation, a_cause, a_confirmation, a_recipient

OFFICE = Organiser(name="Klaster LifeScience Kraków", address="office@example.org")


def read(
    method: CalendarMethod = CalendarMethod.REQUEST, *, locale: Locale = Locale.PL, name: str = "ZIN member 01", **event: Any
) -> tuple[Calendar, Any]:
    message = a_confirmation(event=WORKSHOP.model_copy(update=event)) if method is CalendarMethod.REQUEST else a_cancellation()
    part = CalendarWriter(OFFICE).write(method, a_cause(message), a_recipient(name=name, locale=locale))
    calendar = Calendar.from_ical(part.text)
    (entry,) = calendar.walk("VEVENT")
    return calendar, entry


def test_an_invitation_asks_for_an_entry() -> None:
    calendar, entry = read(CalendarMethod.REQUEST)

    assert (calendar["METHOD"], entry["STATUS"]) == ("REQUEST", "CONFIRMED")


def test_a_cancellation_takes_the_same_entry_out() -> None:
    calendar, entry = read(CalendarMethod.CANCEL)

    assert (calendar["METHOD"], entry["STATUS"], entry["UID"]) == ("CANCEL", "CANCELLED", read(CalendarMethod.REQUEST)[1]["UID"])


def test_uid_and_sequence_are_those_of_the_event() -> None:
    _, entry = read(sequence=7)

    assert (entry["UID"], entry["SEQUENCE"]) == (f"event-{EVENT}@klaster", 7)


def test_the_entry_is_at_the_wall_time_of_its_zone() -> None:
    calendar, entry = read()

    assert entry.start == datetime(2011, 10, 6, 7, tzinfo=UTC)
    assert (entry["DTSTART"].params["TZID"], entry["DTSTART"].to_ical()) == ("Europe/Warsaw", b"20111006T090000")
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/Warsaw"]


def test_an_unknown_zone_is_told_in_utc() -> None:
    _, entry = read(time_zone="Mars/Olympus_Mons")

    assert entry["DTSTART"].to_ical() == b"20111006T070000Z"


@pytest.mark.parametrize(("locale", "title"), [(Locale.PL, TITLE.pl), (Locale.EN, TITLE.en)])
def test_the_title_is_in_the_recipients_language(locale: Locale, title: str) -> None:
    assert read(locale=locale)[1]["SUMMARY"] == title


def test_office_invites_and_the_registrant_has_accepted() -> None:
    _, entry = read()

    assert entry["ORGANIZER"] == "mailto:office@example.org"
    assert entry["ATTENDEE"] == "mailto:zin-member-01@example.org"
    assert entry["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"


def test_the_stamp_is_when_it_happened_so_that_the_part_is_the_same_each_time() -> None:
    assert read()[1]["DTSTAMP"].dt == NOON


@pytest.mark.parametrize("hostile", ["a\r\nATTENDEE:mailto:all@example.org", 'a"b;c:d,e', "a\x00b\u2028c"])
def test_what_others_have_written_adds_no_property(hostile: str) -> None:
    _, plain = read()

    _, entry = read(place=hostile, name=hostile)

    assert sorted(entry.keys()) == sorted(plain.keys())
    assert entry["ATTENDEE"] == "mailto:zin-member-01@example.org"
