from klaster_budget.adapters.repositories import Commitments, Expenditures, Grants, Ledgers, Rates
from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.origin import Origin


class BudgetWork(UnitOfWork):
    """The port `application.ports.BudgetWork` on PostgreSQL."""

    def __init__(self, connection: Connection, *, now: Instant, origin: Origin) -> None:
        super().__init__(connection, now=now, origin=origin)
        self.grants = Grants(self)
        self.ledgers = Ledgers(self)
        self.commitments = Commitments(self)
        self.expenditures = Expenditures(self)
        self.rates = Rates(self)
