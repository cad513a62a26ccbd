"""The people who speak for an organisation, as far as Klaster needs to know them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from klaster_partners.domain.ids import ContactId
from klaster_shared.clock import Instant

EmailAddress = NewType("EmailAddress", str)
"""Made by `email_address`."""


class Locale(StrEnum):
    """The language in which a person is written to."""

    PL = "pl"
    EN = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """`roles` say in which matters the person speaks for the organisation."""

    id: ContactId
    name: str
    email: EmailAddress
    locale: Locale
    roles: tuple[str, ...]
    added_by: str
    added_at: Instant


def email_address(text: str) -> EmailAddress:
    """Two spellings of one mailbox are one address. The edge checks the form; whether mail arrives is known when it has been sent."""
    return EmailAddress(text.strip().lower())
