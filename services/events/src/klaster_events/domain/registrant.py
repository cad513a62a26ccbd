"""Who registers, and what of the event goes into that person's calendar."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from klaster_events.domain.ids import OrganisationId
from klaster_events.domain.proposal import Title
from klaster_events.domain.schedule import Schedule

EmailAddress = NewType("EmailAddress", str)
"""Trimmed and lower-cased: two spellings of one mailbox are one address."""


class Locale(StrEnum):
    """The language in which a person is written to."""

    PL = "pl"
    EN = "en"


class RegistrationStatus(StrEnum):
    """The first two are live: they hold a seat, or a place in the line for one."""

    CONFIRMED = "confirmed"
    WAITLISTED = "waitlisted"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"


LIVE = frozenset({RegistrationStatus.CONFIRMED, RegistrationStatus.WAITLISTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrant:
    """Its text form leaves out what is personal, so that no log can show it."""

    name: str = field(repr=False)
    email: EmailAddress = field(repr=False)
    locale: Locale
    organisation: OrganisationId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEntry:
    """`sequence` is the event's version (RFC 5545 SEQUENCE): a later entry heals whatever mail was missed."""

    title: Title
    schedule: Schedule
    place: str
    sequence: int


def email_address(text: str) -> EmailAddress:
    """Normalised. The edge checks the form; whether mail arrives is known when it has been sent."""
    return EmailAddress(text.strip().lower())
