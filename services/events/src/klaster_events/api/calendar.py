"""An event as an iCalendar file (RFC 5545), for the calendars of those who go there.

The one rule: SEQUENCE is the event's version, so a calendar that has missed any number of changes is right after the next read.
The time is the wall time of the event's own zone, with the zone's rules beside it.
"""

from datetime import date
from typing import Final

from icalendar import Calendar
from icalendar import Event as Entry

from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.registrant import Locale

MEDIA_TYPE: Final = "text/calendar"
PRODUCT: Final = "-//Klaster//events//EN"

_STATUS: Final = {
    EventStatus.DRAFT: "TENTATIVE",
    EventStatus.SUBMITTED: "TENTATIVE",
    EventStatus.APPROVED: "TENTATIVE",
    EventStatus.PUBLISHED: "CONFIRMED",
    EventStatus.COMPLETED: "CONFIRMED",
    EventStatus.CANCELLED: "CANCELLED",
}


def calendar_file(event: Event, locale: Locale) -> bytes:
    """No METHOD: the file is the event's present state, not an invitation to reply to (RFC 5546)."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add_component(_entry(event, locale))
    schedule = event.proposal.schedule
    calendar.add_missing_timezones(first_date=date(schedule.local_start.year, 1, 1), last_date=date(schedule.local_end.year + 1, 1, 1))
    content: bytes = calendar.to_ical()
    return content


def _entry(event: Event, locale: Locale) -> Entry:
    proposal, entry = event.proposal, Entry()
    entry.add("uid", f"event-{event.id}@klaster")
    entry.add("sequence", event.version)
    entry.add("dtstamp", event.changed_at)
    entry.add("last-modified", event.changed_at)
    entry.add("dtstart", proposal.schedule.local_start)
    entry.add("dtend", proposal.schedule.local_end)
    entry.add("summary", proposal.title.pl if locale is Locale.PL else proposal.title.en, parameters={"language": locale.value})
    entry.add("location", proposal.place)
    entry.add("status", _STATUS[event.status])
    return entry
