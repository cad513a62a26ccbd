"""What can happen to a delivery. Not the wire format: `adapters/publishing.py` translates."""

from dataclasses import dataclass

from klaster_notifications.domain.ids import CauseId, DeliveryId, RecipientId
from klaster_notifications.domain.recipients import RecipientKind
from klaster_notifications.domain.rules import Channel
from klaster_shared.aggregates import Fact
from klaster_shared.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutDelivery(Fact):
    delivery: DeliveryId
    cause: CauseId
    recipient: RecipientId
    recipient_kind: RecipientKind
    channel: Channel
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWasQueued(AboutDelivery):
    """`template` in the edition `template_version`, because of `rule`."""

    rule: str
    template: str
    template_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWasSent(AboutDelivery):
    """The mail server took responsibility for it (its answer to the data was 250)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHasFailed(AboutDelivery):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWasSuppressed(AboutDelivery):
    """It was decided not to try."""

    reason: str


type DeliveryFact = DeliveryWasQueued | DeliveryWasSent | DeliveryHasFailed | DeliveryWasSuppressed
