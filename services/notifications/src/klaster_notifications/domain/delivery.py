"""One notice to one recipient: why it exists, and what became of it.

The one rule: a delivery is queued once and settled once (sent, failed or suppressed). How often sending was tried in between is
the sender's own row (`dispatch.py`), outside the aggregate.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from klaster_notifications.domain.errors import AlreadySettled
from klaster_notifications.domain.facts import AboutDelivery, DeliveryHasFailed, DeliveryWasQueued, DeliveryWasSent, DeliveryWasSuppressed
from klaster_notifications.domain.ids import CauseId, DeliveryId
from klaster_notifications.domain.recipients import Recipient
from klaster_notifications.domain.rules import Channel
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant

INVALID_ADDRESS = "invalid-address"
"""The reason of a delivery that was suppressed because nothing can be mailed to its address."""


class Status(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Edition:
    """A template as it was when it was used. `version` is a hash of all that it consists of."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Why somebody was written to: the message, the rule that it set off, the text that the rule named."""

    cause: CauseId
    cause_type: str
    rule: str
    template: Edition


@dataclass(slots=True, kw_only=True)
class Delivery(Aggregate):
    """`reason` says why it was not sent: a word from a short list, or `smtp-` and the mail server's code."""

    id: DeliveryId
    grounds: Grounds
    recipient: Recipient
    channel: Channel
    subject: str
    queued_at: Instant
    status: Status = Status.QUEUED
    settled_at: Instant | None = None
    reason: str | None = None

    @classmethod
    def queued(cls, key: DeliveryId, *, grounds: Grounds, recipient: Recipient, channel: Channel, subject: str, at: Instant) -> Self:
        delivery = cls(id=key, grounds=grounds, recipient=recipient, channel=channel, subject=subject, queued_at=at)
        edition = grounds.template
        delivery._record(DeliveryWasQueued, at, rule=grounds.rule, template=edition.name, template_version=edition.version)
        return delivery

    @property
    def is_settled(self) -> bool:
        return self.status is not Status.QUEUED

    def sent(self, at: Instant) -> None:
        """Raises AlreadySettled."""
        self._settle(Status.SENT, at, None)
        self._record(DeliveryWasSent, at)

    def failed(self, reason: str, at: Instant) -> None:
        """Raises AlreadySettled."""
        self._settle(Status.FAILED, at, reason)
        self._record(DeliveryHasFailed, at, reason=reason)

    def suppressed(self, reason: str, at: Instant) -> None:
        """Raises AlreadySettled."""
        self._settle(Status.SUPPRESSED, at, reason)
        self._record(DeliveryWasSuppressed, at, reason=reason)

    def _settle(self, status: Status, at: Instant, reason: str | None) -> None:
        if self.is_settled:
            raise AlreadySettled(self.id, self.status)
        self.status, self.settled_at, self.reason = status, at, reason

    def _record(self, fact: type[AboutDelivery], at: Instant, **particulars: str) -> None:
        self.facts.append(
            fact(
                delivery=self.id,
                cause=self.grounds.cause,
                recipient=self.recipient.id,
                recipient_kind=self.recipient.kind,
                channel=self.channel,
                at=at,
                **particulars,
            )
        )
