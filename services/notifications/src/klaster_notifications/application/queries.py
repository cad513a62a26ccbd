"""What can be asked of the notifications service without changing it. Lists are ordered by id and read in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from klaster_notifications.domain.delivery import Delivery, Status
from klaster_notifications.domain.dispatch import Dispatch
from klaster_notifications.domain.ids import CauseId, DeliveryId, RecipientId
from klaster_notifications.domain.recipients import Locale
from klaster_notifications.domain.rules import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesAsked:
    """None asks for any."""

    recipient: RecipientId | None = None
    status: Status | None = None
    cause: CauseId | None = None


@dataclass(frozen=True, slots=True)
class TrackedDelivery:
    """A delivery and how its sending goes; `dispatch` is None for one that was never meant to be sent."""

    delivery: Delivery
    dispatch: Dispatch | None


class DeliveryRecord(Protocol):
    """`after` is the last id of the page before, `rows` the most that are given."""

    async def deliveries(self, asked: DeliveriesAsked, *, after: UUID | None, rows: int) -> Sequence[TrackedDelivery]: ...
    async def delivery(self, key: DeliveryId) -> TrackedDelivery:
        """Raises NotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`sources` are the texts as they were written, by language."""

    name: str
    version: str
    channel: Channel
    sources: dict[Locale, str]


class TemplateShelf(Protocol):
    def templates(self) -> Sequence[Template]:
        """By name."""

    def template(self, name: str) -> Template:
        """Raises NotFound."""
