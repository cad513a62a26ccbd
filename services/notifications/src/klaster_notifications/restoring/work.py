"""The unit of work in which the past is told once more: the live handlers run in it, and find the ports of a world in which all of it has happened.

The one rule: a delivery that the log knows gets its own row back, with its id, its version and what became of it; one that the log does not
know is not made here. Making it is the live consumer's, which begins at the beginning afterwards.
"""

from dataclasses import dataclass, field

from klaster_notifications.adapters.audiences import Audiences
from klaster_notifications.adapters.repositories import Deliveries, Dispatches
from klaster_notifications.adapters.work import NotificationsWork
from klaster_notifications.application.ports import Letters
from klaster_notifications.domain.delivery import Delivery, Edition, Grounds, Status
from klaster_notifications.domain.dispatch import Dispatch
from klaster_notifications.domain.ids import OrganisationId
from klaster_notifications.domain.letters import Letter
from klaster_notifications.restoring.recorded import Record, Recorded
from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.origin import Origin


@dataclass(slots=True)
class Restored:
    """`reworded`: deliveries whose template has changed since; their subject is the one that it would have now."""

    by_status: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    reworded: int = 0


class RestoredDeliveries(Deliveries):
    def __init__(self, work: UnitOfWork, record: Record, restored: Restored) -> None:
        super().__init__(work)
        self._record = record
        self._restored = restored

    async def add(self, delivery: Delivery, letter: Letter) -> bool:
        """Gives the delivery the identity and the fate that the log says; False when the log does not know it."""
        recorded = self._record.claim(delivery.grounds.cause, delivery.recipient.id, delivery.channel, letter.template.name)
        if recorded is None:
            return False
        same_words = recorded.edition in {None, letter.template}
        _become(delivery, recorded, letter.template)
        await self._keep(delivery, flow=recorded.flow, version=recorded.version)
        if same_words or not delivery.is_settled:
            await self._keep_letter(delivery.id, letter)
        self._restored.by_status[delivery.status] += 1
        self._restored.reworded += not same_words
        return True


class RestoredDispatches(Dispatches):
    """Only what is not settled is dispatched at all; it is not due unless somebody wants it to be."""

    def __init__(self, work: UnitOfWork, due_at: Instant | None) -> None:
        super().__init__(work)
        self._due_at = due_at

    async def add(self, dispatch: Dispatch) -> None:
        dispatch.due_at = self._due_at
        await super().add(dispatch)


class RestoredAudiences(Audiences):
    async def hold(self, organisation: OrganisationId) -> None:
        """Nobody else is at work in a store that is being restored, and one transaction cannot hold locks without number."""


class RestoringWork(NotificationsWork):
    def __init__(
        self, connection: Connection, *, now: Instant, origin: Origin, letters: Letters, record: Record, restored: Restored, due_at: Instant | None
    ) -> None:
        super().__init__(connection, now=now, origin=origin, letters=letters)
        self.deliveries = RestoredDeliveries(self, record, restored)
        self.dispatches = RestoredDispatches(self, due_at)
        self.audiences = RestoredAudiences(self)


def _become(delivery: Delivery, recorded: Recorded, written: Edition) -> None:
    """A letter that may still be sent is the one that was written now; a settled delivery keeps the edition in which it was told."""
    edition = recorded.edition if recorded.is_settled and recorded.edition is not None else written
    grounds = delivery.grounds
    delivery.id = recorded.id
    delivery.grounds = Grounds(cause=grounds.cause, cause_type=grounds.cause_type, rule=recorded.rule or grounds.rule, template=edition)
    delivery.queued_at = recorded.queued_at
    delivery.status, delivery.settled_at, delivery.reason = recorded.status, recorded.settled_at, recorded.reason
    delivery.facts.clear()
