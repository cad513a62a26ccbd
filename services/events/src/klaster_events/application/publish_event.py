"""An approved event opens for registration, once the money for it is there. The approval is locked, so that neither a cancellation
nor the deadline can pass it by.
"""

from dataclasses import dataclass

from klaster_events.application.ports import EventsWork
from klaster_events.domain.errors import FinancingNotSecured
from klaster_events.domain.event import Event
from klaster_events.domain.ids import EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishEvent:
    event: EventId
    expected: int | None = None


async def publish_event(command: PublishEvent, work: EventsWork) -> Event:
    """Raises FinancingNotSecured while an approved event's costs are not reserved."""
    approval = await work.approvals.locked(command.event)
    event = await work.events.get(command.event, command.expected)
    event.publish(at=work.now)
    if not approval.allows_publication:
        raise FinancingNotSecured(event.id, approval.financing)
    await work.events.save(event)
    return event
