"""What the log says has become of every delivery, as far as it was ever published.

The one rule: the topic of deliveries is the record of record. Who was written to is read there, never guessed; name, address and text are
not in it, and come from the messages that caused the deliveries.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from klaster_notifications.domain.delivery import Edition, Status
from klaster_notifications.domain.ids import CauseId, DeliveryId, RecipientId
from klaster_shared.clock import Instant
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.contracts.notifications import DeliveryFailed, DeliveryQueued, DeliverySent, DeliverySuppressed

type Settlement = DeliverySent | DeliveryFailed | DeliverySuppressed

FIRST_RELEASE_FAILED: Final = "unknown"
"""The reason of deliveries that failed or were suppressed when the messages did not yet say why."""

_STATUS: Final = {DeliverySent: Status.SENT, DeliveryFailed: Status.FAILED, DeliverySuppressed: Status.SUPPRESSED}


@dataclass(slots=True, kw_only=True)
class Recorded:
    """`rule` and `edition` are None in messages of the first release. `version` is the number of the last fact."""

    id: DeliveryId
    cause: CauseId
    recipient: RecipientId
    channel: str
    rule: str | None
    edition: Edition | None
    flow: str
    queued_at: Instant
    version: int
    status: Status = Status.QUEUED
    settled_at: Instant | None = None
    reason: str | None = None

    @property
    def is_settled(self) -> bool:
        return self.status is not Status.QUEUED


class Record:
    """Every delivery that the log knows and that nobody has claimed."""

    def __init__(self) -> None:
        self._by_id: dict[DeliveryId, Recorded] = {}
        self._by_audience: defaultdict[tuple[CauseId, RecipientId, str], list[Recorded]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self._by_id.values())

    def note(self, message: Message, envelope: Envelope) -> bool:
        """The next message of a delivery; one that came before, as the log may hold it twice, changes nothing. False: it belongs to none."""
        match message:
            case DeliveryQueued():
                return self._queued(message, envelope)
            case DeliverySent() | DeliveryFailed() | DeliverySuppressed():
                return self._settled(message, envelope)
            case _:
                return False

    def claim(self, cause: CauseId, recipient: RecipientId, channel: str, template: str) -> Recorded | None:
        """The delivery of this cause, recipient, channel and template, once."""
        candidates: Iterable[Recorded] = self._by_audience.get((cause, recipient, channel), ())
        found = next((each for each in candidates if each.id in self._by_id and (each.edition is None or each.edition.name == template)), None)
        return None if found is None else self._by_id.pop(found.id)

    def _queued(self, message: DeliveryQueued, envelope: Envelope) -> bool:
        key = DeliveryId(message.delivery_id)
        if key in self._by_id:
            return True
        known = message.template is not None and message.template_version is not None
        recorded = Recorded(
            id=key,
            cause=CauseId(message.cause_id),
            recipient=RecipientId(message.recipient_id),
            channel=message.channel,
            rule=message.rule,
            edition=Edition(message.template or "", message.template_version or "") if known else None,
            flow=envelope.correlation_id or envelope.id,
            queued_at=envelope.time,
            version=envelope.sequence or 1,
        )
        self._by_id[key] = recorded
        self._by_audience[recorded.cause, recorded.recipient, recorded.channel].append(recorded)
        return True

    def _settled(self, message: Settlement, envelope: Envelope) -> bool:
        """A key's messages are in the order of its facts: without the first one the log has lost something."""
        recorded = self._by_id.get(DeliveryId(message.delivery_id))
        if recorded is None:
            return False
        recorded.status = _STATUS[type(message)]
        recorded.settled_at = envelope.time
        recorded.version = max(recorded.version, envelope.sequence or 0)
        if not isinstance(message, DeliverySent):
            recorded.reason = message.reason or FIRST_RELEASE_FAILED
        return True
