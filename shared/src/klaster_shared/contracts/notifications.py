"""What the notifications service says of each delivery: whom it is for and which message caused it, never the address or the text."""

from typing import Literal
from uuid import UUID

from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.registry import message


class _Delivery(Message):
    """`cause_id` is the id of the message that asked for it. `channel` is open text, because readers must survive a new channel."""

    delivery_id: UUID
    cause_id: UUID
    recipient_id: UUID
    recipient_kind: Literal["contact", "registrant"]
    channel: str


@message(topics.NOTIFICATIONS_DELIVERY, subject="delivery_id")
class DeliveryQueued(_Delivery):
    """`rule` set it off, `template` in the edition `template_version` was written: with the cause, all that a lost record needs to be made
    again. Messages of the first release leave them out.
    """

    rule: str | None = None
    template: str | None = None
    template_version: str | None = None


@message(topics.NOTIFICATIONS_DELIVERY, subject="delivery_id")
class DeliverySent(_Delivery):
    pass


@message(topics.NOTIFICATIONS_DELIVERY, subject="delivery_id")
class DeliveryFailed(_Delivery):
    """`reason` is a word from a short list, or `smtp-` and the mail server's code."""

    reason: str | None = None


@message(topics.NOTIFICATIONS_DELIVERY, subject="delivery_id")
class DeliverySuppressed(_Delivery):
    """`reason` is a word from a short list."""

    reason: str | None = None
