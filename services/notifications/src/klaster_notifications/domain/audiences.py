"""Contacts of organisations and the causes that concern them: two streams that meet here in any order.

The one rule: whether a contact hears of a cause depends on when both were recorded where they were made, never on which of them
arrived here first (`hears_of`, asked from both sides).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from klaster_notifications.domain.ids import CauseId, OrganisationId
from klaster_notifications.domain.recipients import Recipient
from klaster_shared.clock import Instant

SAME_MOMENT: Final = timedelta(seconds=5)
"""How far the clocks of two services may be apart: a contact that seems this much younger than a cause still hears of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """`recorded_at`: when the partners service recorded it."""

    recipient: Recipient
    organisation: OrganisationId
    roles: tuple[str, ...]
    recorded_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The message that asks for a notice. `particulars` are its fields in their wire form: all that a template is told.

    `happened_at` is when it happened in the world, `recorded_at` when the sending service recorded it.
    """

    id: CauseId
    type: str
    happened_at: Instant
    recorded_at: Instant
    particulars: Mapping[str, Any] = field(repr=False)


def hears_of(contact: Contact, cause: Cause) -> bool:
    """Whether the contact was there when the cause was recorded."""
    return contact.recorded_at <= cause.recorded_at + SAME_MOMENT
