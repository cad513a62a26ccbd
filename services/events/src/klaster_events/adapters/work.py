from klaster_events.adapters.reading import StoredAgenda
from klaster_events.adapters.repositories import Approvals, Attempts, Events, Registrations, SeatRows
from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.origin import Origin


class EventsWork(UnitOfWork):
    """The port `application.ports.EventsWork` on PostgreSQL."""

    def __init__(self, connection: Connection, *, now: Instant, origin: Origin) -> None:
        super().__init__(connection, now=now, origin=origin)
        self.events = Events(self)
        self.approvals = Approvals(self)
        self.attempts = Attempts(self)
        self.seats = SeatRows(self)
        self.registrations = Registrations(self)
        self.agenda = StoredAgenda(connection)
