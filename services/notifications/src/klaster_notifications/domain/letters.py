"""What a recipient reads, fixed when the delivery is queued.

The one rule: a letter is written once and kept. Every attempt sends the same text, whatever has happened to the templates since,
and the record shows what was really said.
"""

from dataclasses import dataclass, field

from klaster_notifications.domain.delivery import Edition
from klaster_notifications.domain.ids import CauseId, DeliveryId
from klaster_notifications.domain.recipients import Recipient
from klaster_notifications.domain.rules import CalendarMethod
from klaster_shared.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarPart:
    """`text` is an iCalendar object with this METHOD (RFC 5545)."""

    method: CalendarMethod
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`subject` is one line; `text` and `html` say the same."""

    template: Edition
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    calendar: CalendarPart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMail:
    """A letter in a sender's hands. `flow` is the correlation id of what it is part of."""

    delivery: DeliveryId
    cause: CauseId
    flow: str
    recipient: Recipient
    letter: Letter
    queued_at: Instant
