from klaster_notifications.adapters.audiences import Audiences
from klaster_notifications.adapters.repositories import Deliveries, Dispatches
from klaster_notifications.application.ports import Letters
from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.origin import Origin


class NotificationsWork(UnitOfWork):
    """The port `application.ports.NotificationsWork` on PostgreSQL."""

    def __init__(self, connection: Connection, *, now: Instant, origin: Origin, letters: Letters) -> None:
        super().__init__(connection, now=now, origin=origin)
        self.letters = letters
        self.deliveries = Deliveries(self)
        self.dispatches = Dispatches(self)
        self.audiences = Audiences(self)
