"""The file as another program reads it."""

from datetime import UTC, datetime

import pytest
from icalendar import Calendar, Component

from klaster_events.api.calendar import calendar_file
from klaster_events.domain.event import Event
from klaster_events.domain.ids import EventId
from klaster_events.domain.registrant import Locale
from klaster_events.testing import NOON, OFFICE, EventBuilder, a_proposal, a_schedule, an_event
from klaster_shared.ids import new_id


def entry_of(event: Event, locale: Locale = Locale.PL) -> Component:
    (entry,) = Calendar.from_ical(calendar_file(event, locale)).walk("VEVENT")
    return entry


def held_in(time_zone: str) -> Event:
    proposal = a_proposal(schedule=a_schedule(datetime(2011, 9, 12, 7, tzinfo=UTC), time_zone=time_zone))
    return EventBuilder(Event.drafted(EventId(new_id()), proposal, by=OFFICE, at=NOON)).published().build()


def test_the_entry_is_found_again_by_its_uid_and_replaced_by_its_sequence() -> None:
    event = an_event().published().build()

    entry = entry_of(event)

    assert entry["UID"] == f"event-{event.id}@klaster"
    assert entry["SEQUENCE"] == event.version == 4


def test_the_time_is_the_wall_time_of_the_events_zone_and_the_zone_comes_with_it() -> None:
    event = held_in("Europe/Paris")

    text = calendar_file(event, Locale.PL).decode()

    assert "DTSTART;TZID=Europe/Paris:20110912T090000" in text
    assert "DTEND;TZID=Europe/Paris:20110912T170000" in text
    assert "BEGIN:VTIMEZONE\r\nTZID:Europe/Paris" in text


def test_the_instant_survives_the_way_through_the_file() -> None:
    event = held_in("Asia/Kathmandu")

    assert entry_of(event).decoded("DTSTART") == event.proposal.schedule.starts_at


def test_an_event_in_utc_needs_no_zone() -> None:
    text = calendar_file(held_in("UTC"), Locale.PL).decode()

    assert "DTSTART:20110912T070000Z" in text
    assert "VTIMEZONE" not in text


@pytest.mark.parametrize(("locale", "title"), [(Locale.PL, "Warsztat ekspercki"), (Locale.EN, "Expert workshop")])
def test_the_title_is_in_the_readers_language(locale: Locale, title: str) -> None:
    assert entry_of(an_event().build(), locale)["SUMMARY"] == title


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (an_event().build(), "TENTATIVE"),
        (an_event().approved().build(), "TENTATIVE"),
        (an_event().published().build(), "CONFIRMED"),
        (an_event().completed().build(), "CONFIRMED"),
        (an_event().cancelled().build(), "CANCELLED"),
    ],
)
def test_the_calendar_shows_how_sure_the_event_is(event: Event, status: str) -> None:
    assert entry_of(event)["STATUS"] == status


def test_lines_are_folded_and_text_is_escaped() -> None:
    place = 'Kraków; ul. "Bobrzyńskiego" 14, sala konferencyjna ' + "ą" * 60
    event = held_in("Europe/Warsaw")
    object.__setattr__(event.proposal, "place", place)

    content = calendar_file(event, Locale.PL)

    assert max(len(line) for line in content.split(b"\r\n")) <= 75
    assert entry_of(event)["LOCATION"] == place
