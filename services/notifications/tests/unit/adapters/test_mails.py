from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from klaster_notifications.adapters.calendars import CalendarWriter, Organiser
from klaster_notifications.adapters.mails import compose, message_id
from klaster_notifications.domain.ids import CauseId, DeliveryId
from klaster_notifications.domain.letters import OutgoingMail
from klaster_notifications.domain.recipients import Locale
from klaster_notifications.domain.rules import CalendarMethod
from klaster_notifications.testing import NOON, a_cause, a_letter, a_recipient
from klaster_shared.ids import new_id

OFFICE = Organiser(name="Klaster LifeScience Kraków", address="office@example.org")
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Language"]


def a_mail(*, name: str = "ZIN member 01", subject: str = "A subject", calendar: bool = False) -> OutgoingMail:
    recipient = a_recipient(name=name, locale=Locale.EN)
    part = CalendarWriter(OFFICE).write(CalendarMethod.REQUEST, a_cause(), recipient) if calendar else None
    letter = replace(a_letter(), subject=subject, text="Zażółć gęślą jaźń.\n", html="<p>Zażółć gęślą jaźń.</p>\n", calendar=part)
    return OutgoingMail(delivery=DeliveryId(new_id()), cause=CauseId(new_id()), flow="flow", recipient=recipient, letter=letter, queued_at=NOON)


def received(mail: OutgoingMail) -> EmailMessage:
    return message_from_bytes(compose(mail, "zin-member-01@example.org", OFFICE).as_bytes(), policy=default)


def types(mail: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in mail.walk()]


def test_a_mail_is_from_the_office_to_the_recipient_in_their_language() -> None:
    mail = received(a_mail())

    assert str(mail["From"]) == "Klaster LifeScience Kraków <office@example.org>"
    assert str(mail["To"]) == "ZIN member 01 <zin-member-01@example.org>"
    assert mail["Content-Language"] == "en"


def test_the_same_delivery_gives_the_same_bytes() -> None:
    mail = a_mail(calendar=True)

    first, second = [compose(mail, "zin-member-01@example.org", OFFICE).as_bytes() for _ in range(2)]

    assert first == second


def test_the_message_id_is_the_delivery() -> None:
    mail = a_mail()

    assert received(mail)["Message-ID"] == message_id(mail.delivery, OFFICE) == f"<{mail.delivery}@example.org>"


def test_the_date_is_when_the_delivery_was_queued() -> None:
    assert received(a_mail())["Date"].datetime == NOON


def test_no_machine_is_asked_to_answer() -> None:
    assert received(a_mail())["Auto-Submitted"] == "auto-generated"


def test_a_mail_reads_as_text_and_as_html() -> None:
    mail = received(a_mail())

    assert types(mail) == ["multipart/alternative", "text/plain", "text/html"]
    contents = [part.get_content().strip() for part in mail.iter_parts()]
    assert contents == ["Zażółć gęślą jaźń.", "<p>Zażółć gęślą jaźń.</p>"]


def test_a_calendar_part_is_an_alternative_and_a_file() -> None:
    mail = received(a_mail(calendar=True))

    assert types(mail) == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/calendar", "application/ics"]
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    assert part["Content-Type"].params["method"] == "REQUEST"


def test_the_calendar_arrives_byte_for_byte() -> None:
    outgoing = a_mail(calendar=True)
    mail = received(outgoing)

    bodies = {part.get_payload(decode=True) for part in mail.walk() if part.get_content_type() in {"text/calendar", "application/ics"}}

    (body,) = bodies
    assert outgoing.letter.calendar is not None
    assert isinstance(body, bytes)
    assert body == outgoing.letter.calendar.text.encode()
    assert Calendar.from_ical(body)["METHOD"] == "REQUEST"


@given(name=st.text(max_size=60), subject=st.text(max_size=120))
def test_no_name_and_no_subject_can_add_a_header_or_a_recipient(name: str, subject: str) -> None:
    mail = received(a_mail(name=name, subject=subject))

    assert mail.keys() == HEADERS
    assert [address.addr_spec for address in mail["To"].addresses] == ["zin-member-01@example.org"]


@pytest.mark.parametrize("name", ["ZIN\r\nBcc: all@example.org", "all@example.org, ZIN", 'ZIN" <all@example.org>', "=?utf-8?q?ZIN=0D=0ABcc=3A?="])
def test_a_name_that_tries_stays_a_name(name: str) -> None:
    mail = received(a_mail(name=name))

    assert mail.keys() == HEADERS
    assert [address.addr_spec for address in mail["To"].addresses] == ["zin-member-01@example.org"]
