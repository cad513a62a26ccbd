"""Who is told, in which language, with what in the calendar, and why: looked at in the mails themselves."""

from email.message import EmailMessage
from typing import Any

import icalendar
import pytest

from klaster_shared.testing.desk import EFFECT_SECONDS, Desk, Json, an_address
from klaster_shared.testing.mail import MailSink
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.engines]


async def mails_to(mail_sink: MailSink, address: str, count: int) -> list[EmailMessage]:
    """The mails to an address, as soon as there are that many."""

    def arrived() -> list[EmailMessage]:
        found = mail_sink.messages(to=address)
        assert len(found) == count
        return found

    return await eventually(arrived, within=EFFECT_SECONDS, what=f"{count} mails to {address}")


def calendar_of(mail: EmailMessage) -> Any | None:
    """The calendar in a mail, if there is one."""
    parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return icalendar.Calendar.from_ical(parts[0].get_content()) if parts else None


def method_of(mail: EmailMessage) -> str | None:
    calendar = calendar_of(mail)
    return None if calendar is None else str(calendar["METHOD"])


def language_of(mail: EmailMessage) -> str:
    return str(mail["Content-Language"])


async def deliveries_to(desk: Desk, address: str) -> list[Json]:
    return [each for each in await desk.items("notifications", "/v1/deliveries") if each["recipient"] == address]


async def test_a_confirmed_participant_gets_one_mail_with_the_event_for_the_calendar(desk: Desk, mail_sink: MailSink) -> None:
    event, address = await desk.published(), an_address("confirmed")
    await desk.register(event["id"], email=address)
    (mail,) = await mails_to(mail_sink, address, 1)
    calendar = calendar_of(mail)
    assert calendar is not None
    (entry,) = calendar.walk("VEVENT")
    assert (str(calendar["METHOD"]), str(entry["UID"])) == ("REQUEST", f"event-{event['id']}@klaster")
    assert entry["DTSTART"].dt.isoformat() in ("2011-09-12T09:00:00+02:00", "2011-09-12T07:00:00+00:00")


async def test_the_waiting_are_told_without_a_calendar(desk: Desk, mail_sink: MailSink) -> None:
    event, address = await desk.published(capacity=1), an_address("waiting")
    await desk.register(event["id"])
    await desk.register(event["id"], email=address)
    (mail,) = await mails_to(mail_sink, address, 1)
    assert calendar_of(mail) is None


async def test_who_moves_up_from_the_waiting_list_gets_the_event_for_the_calendar(desk: Desk, mail_sink: MailSink) -> None:
    event, address = await desk.published(capacity=1), an_address("promoted")
    first = await desk.register(event["id"])
    await desk.register(event["id"], email=address)
    await mails_to(mail_sink, address, 1)
    await desk.do("events", f"/v1/registrations/{first['id']}/withdraw")
    mails = await mails_to(mail_sink, address, 2)
    assert [method_of(mail) for mail in mails] == [None, "REQUEST"]


async def test_a_cancelled_event_leaves_the_calendars_of_the_confirmed_and_is_told_to_the_waiting(desk: Desk, mail_sink: MailSink) -> None:
    event, confirmed, waiting = await desk.published(capacity=1), an_address("confirmed"), an_address("waiting")
    await desk.register(event["id"], email=confirmed)
    await desk.register(event["id"], email=waiting)
    await mails_to(mail_sink, confirmed, 1)
    await mails_to(mail_sink, waiting, 1)
    await desk.cancel(event["id"])
    assert [method_of(mail) for mail in await mails_to(mail_sink, confirmed, 2)] == ["REQUEST", "CANCEL"]
    assert [method_of(mail) for mail in await mails_to(mail_sink, waiting, 2)] == [None, None]


async def test_a_cancellation_in_the_calendar_is_newer_than_the_invitation(desk: Desk, mail_sink: MailSink) -> None:
    event, address = await desk.published(), an_address("confirmed")
    await desk.register(event["id"], email=address)
    await mails_to(mail_sink, address, 1)
    await desk.cancel(event["id"])
    calendars = [calendar_of(mail) for mail in await mails_to(mail_sink, address, 2)]
    entries = [entry for calendar in calendars if calendar is not None for entry in calendar.walk("VEVENT")]
    assert len({str(entry["UID"]) for entry in entries}) == 1
    assert int(entries[1]["SEQUENCE"]) > int(entries[0]["SEQUENCE"])


async def test_a_refused_event_is_told_to_its_hosts_event_managers_alone(desk: Desk, mail_sink: MailSink) -> None:
    host = await desk.organisation()
    manager, other = an_address("manager"), an_address("other")
    await desk.contact(host["id"], email=manager)
    await desk.contact(host["id"], email=other, roles=["accounting"])
    grant = await desk.grant(workshops="100.00")
    refused = await desk.approved(grant, costs={"workshops": "4000.00"}, host_organisation_id=host["id"])
    await desk.event_when(refused["id"], financing="refused")
    await mails_to(mail_sink, manager, 1)
    assert await deliveries_to(desk, other) == []


async def test_a_contact_added_just_after_the_cause_is_still_told(desk: Desk, mail_sink: MailSink) -> None:
    """The two travel on different topics and may be read in either order; which is first must not decide."""
    host = await desk.organisation()
    grant = await desk.grant(workshops="100.00")
    refused = await desk.approved(grant, costs={"workshops": "4000.00"}, host_organisation_id=host["id"])
    await desk.event_when(refused["id"], financing="refused")
    address = an_address("late")
    await desk.contact(host["id"], email=address)
    await mails_to(mail_sink, address, 1)


async def test_an_upgraded_membership_is_told_to_all_contacts_of_the_organisation(desk: Desk, mail_sink: MailSink) -> None:
    organisation = await desk.organisation()
    addresses = [an_address(role) for role in ("manager", "director")]
    for address, role in zip(addresses, ("event_manager", "director"), strict=True):
        await desk.contact(organisation["id"], email=address, roles=[role])
    membership = await desk.membership(organisation["id"])
    await desk.decide(membership["id"], "admit", "associate")
    await desk.decide(membership["id"], "upgrade", "full")
    for address in addresses:
        await mails_to(mail_sink, address, 1)


async def test_each_is_written_to_in_their_own_language(desk: Desk, mail_sink: MailSink) -> None:
    event, polish, english = await desk.published(), an_address("po-polsku"), an_address("in-english")
    await desk.register(event["id"], email=polish, locale="pl")
    await desk.register(event["id"], email=english, locale="en")
    (to_polish,) = await mails_to(mail_sink, polish, 1)
    (to_english,) = await mails_to(mail_sink, english, 1)
    assert "Warsztat ekspercki" in to_polish["Subject"]
    assert "Expert workshop" in to_english["Subject"]


async def test_a_delivery_says_why_it_was_made(desk: Desk, mail_sink: MailSink) -> None:
    event, address = await desk.published(), an_address("asking")
    await desk.register(event["id"], email=f"  {address.upper()} ")
    await mails_to(mail_sink, address, 1)

    async def sent() -> Json:
        (delivery,) = await deliveries_to(desk, address)
        assert delivery["status"] == "sent"
        return delivery

    delivery = await eventually(sent, within=EFFECT_SECONDS)
    assert (delivery["rule"], delivery["cause"]["type"]) == ("registration-confirmed", "pl.lifescience.events.RegistrationConfirmed.v1")
    assert [each["id"] for each in await desk.items("notifications", "/v1/deliveries", cause=delivery["cause"]["id"])] == [delivery["id"]]
