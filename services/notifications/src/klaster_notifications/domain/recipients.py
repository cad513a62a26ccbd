"""Who is told, and at which address.

The one rule: an address is compared in its normalised form and mailed to in its ASCII form; what has none is never tried.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType

from klaster_notifications.domain.ids import RecipientId

EmailAddress = NewType("EmailAddress", str)
"""Trimmed and lower-cased: two spellings of one mailbox are one address."""

LONGEST_ADDRESS: Final = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
LONGEST_LOCAL_PART: Final = 64  # section 4.5.3.1.1 there
_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_MAILBOX: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")  # RFC 5321 section 4.1.2, without quoted local parts


class Locale(StrEnum):
    """The language in which a person is written to."""

    PL = "pl"
    EN = "en"


class RecipientKind(StrEnum):
    CONTACT = "contact"
    REGISTRANT = "registrant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Its text form leaves out what is personal, so that no log can show it."""

    id: RecipientId
    kind: RecipientKind
    name: str = field(repr=False)
    address: EmailAddress = field(repr=False)
    locale: Locale


def email_address(text: str) -> EmailAddress:
    return EmailAddress(text.strip().lower())


def mailbox(address: EmailAddress) -> str | None:
    """The address as SMTP and mail headers write it, an internationalised domain as A-labels (RFC 5890); None when it has no such form.

    A local part beyond ASCII needs SMTPUTF8 on every server along the way (RFC 6531) and is taken as undeliverable.
    """
    local, _, domain = address.rpartition("@")
    try:
        plain = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return None
    fits = len(plain) <= LONGEST_ADDRESS and len(local) <= LONGEST_LOCAL_PART
    return plain if fits and _MAILBOX.fullmatch(plain) else None
