from klaster_partners.adapters.repositories import Memberships, Networks, Organisations
from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.origin import Origin


class PartnersWork(UnitOfWork):
    """The port `application.ports.PartnersWork` on PostgreSQL."""

    def __init__(self, connection: Connection, *, now: Instant, origin: Origin) -> None:
        super().__init__(connection, now=now, origin=origin)
        self.organisations = Organisations(self)
        self.networks = Networks(self)
        self.memberships = Memberships(self)
