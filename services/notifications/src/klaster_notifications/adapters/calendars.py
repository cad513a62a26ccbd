"""The event as a recipient's calendar takes it: iCalendar by mail (RFC 5545, RFC 6047).

The one rule: UID and SEQUENCE are the event's own (`event-<id>@klaster`, its version), so that calendars put together what is told
by mail and what is read from the events service, and the later word wins.
"""

from dataclasses import dataclass
from typing import Final

from icalendar import Calendar, Event, vCalAddress

from klaster_notifications.adapters.wording import one_line, zone_of
from klaster_notifications.domain.audiences import Cause
from klaster_notifications.domain.letters import CalendarPart
from klaster_notifications.domain.recipients import Recipient, mailbox
from klaster_notifications.domain.rules import CalendarMethod
from klaster_shared.contracts.events import EventBrief

PRODUCT: Final = "-//Klaster//notifications//EN"
_STATUS: Final = {CalendarMethod.REQUEST: "CONFIRMED", CalendarMethod.CANCEL: "CANCELLED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Organiser:
    """Who mails come from, and who invites: the same mailbox, or calendars show a stranger."""

    name: str
    address: str


class CalendarWriter:
    def __init__(self, organiser: Organiser) -> None:
        self._organiser = organiser

    def write(self, method: CalendarMethod, cause: Cause, recipient: Recipient) -> CalendarPart:
        """For a cause that tells of an event (`event_id`, `event`) as registrations do."""
        told = EventBrief.model_validate(cause.particulars["event"])
        zone = zone_of(told.time_zone)
        starts, ends = told.starts_at.astimezone(zone), told.ends_at.astimezone(zone)
        event = Event()
        event.add("uid", f"event-{cause.particulars['event_id']}@klaster")
        event.add("sequence", told.sequence)
        event.add("dtstamp", cause.happened_at)
        event.add("dtstart", starts)
        event.add("dtend", ends)
        event.add("summary", one_line(getattr(told.title, recipient.locale)))
        event.add("location", one_line(told.place))
        event.add("status", _STATUS[method])
        event.add("organizer", _person(self._organiser.name, self._organiser.address))
        event.add("attendee", _attendee(recipient))
        calendar = Calendar()
        calendar.add("version", "2.0")
        calendar.add("prodid", PRODUCT)
        calendar.add("method", method)
        calendar.add_component(event)
        calendar.add_missing_timezones(first_date=starts.date().replace(month=1, day=1), last_date=ends.date().replace(month=12, day=31))
        return CalendarPart(method=method, text=calendar.to_ical().decode())


def _attendee(recipient: Recipient) -> vCalAddress:
    person = _person(recipient.name, mailbox(recipient.address) or recipient.address)
    person.params["ROLE"] = "REQ-PARTICIPANT"
    person.params["PARTSTAT"] = "ACCEPTED"
    person.params["RSVP"] = "FALSE"
    return person


def _person(name: str, address: str) -> vCalAddress:
    person = vCalAddress(f"mailto:{address}")
    person.params["CN"] = one_line(name)
    return person
