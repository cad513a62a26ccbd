"""An outgoing letter as a MIME message (RFC 5322, RFC 2046).

The one rule: the same delivery gives the same bytes, Message-ID and all, whenever and by whomever it is sent again, so that a
second copy after a crash can be recognised as one.
"""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from klaster_notifications.adapters.calendars import Organiser
from klaster_notifications.adapters.wording import one_line
from klaster_notifications.domain.ids import DeliveryId
from klaster_notifications.domain.letters import CalendarPart, OutgoingMail

CALENDAR_FILE: Final = "klaster.ics"


def message_id(delivery: DeliveryId, sender: Organiser) -> str:
    return f"<{delivery}@{sender.address.rpartition('@')[2]}>"


def compose(mail: OutgoingMail, address: str, sender: Organiser) -> EmailMessage:
    """To `address`, a mailbox: `multipart/alternative` of text, HTML and, if there is one, the calendar part, which is attached as a file, too."""
    message = EmailMessage(policy=SMTP)
    message["From"] = _person(sender.name, sender.address)
    message["To"] = _person(mail.recipient.name, address)
    message["Subject"] = _header_text(mail.letter.subject)
    message["Date"] = format_datetime(mail.queued_at)
    message["Message-ID"] = message_id(mail.delivery, sender)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies, please
    message.set_content(mail.letter.text, cte="quoted-printable")
    message.add_alternative(mail.letter.html, subtype="html", cte="quoted-printable")
    if mail.letter.calendar is not None:
        _add_calendar(message, mail.letter.calendar)
    message["Content-Language"] = mail.recipient.locale.value  # last: alternatives take earlier Content headers into their first part
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"{mail.delivery.hex}.{number}")
    return message


def _add_calendar(message: EmailMessage, calendar: CalendarPart) -> None:
    """As mail programs look for it: an alternative that they act on, and a file for those that do not."""
    message.add_alternative(calendar.text, subtype="calendar", cte="base64", params={"method": calendar.method.value})
    message.add_attachment(calendar.text.encode(), maintype="application", subtype="ics", filename=CALENDAR_FILE)


def _person(name: str, address: str) -> Address:
    return Address(display_name=_header_text(name), addr_spec=address)


def _header_text(text: str) -> str:
    """On one line, and nothing in it that a reader would decode into something else (RFC 2047)."""
    return one_line(text).replace("=?", "= ?")
