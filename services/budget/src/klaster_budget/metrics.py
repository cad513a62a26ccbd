"""What the grants still bear, as figures, and whether the books agree with themselves.

The one rule: figures are sums per currency, never per grant or line. How many of those there will be nobody knows, and a label
must come from a list that is known beforehand.
"""

from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge

from klaster_budget.adapters.reading import contradicting_lines, open_commitments, sums_by_currency
from klaster_shared.clock import Clock, Instant
from klaster_shared.db.engine import Connection

AUDIT_EVERY = timedelta(minutes=5)
"""Adding up all expenditures costs more than the other figures; a contradiction would not go away in the meantime."""


class BudgetMetrics:
    """`refresh` is a probe of `StoredState`."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._audited: Instant | None = None
        self.planned = Gauge("klaster_budget_planned", "Planned on all lines, in units of the currency.", ["currency"], registry=registry)
        self.committed = Gauge("klaster_budget_committed", "Held by open commitments, in units of the currency.", ["currency"], registry=registry)
        self.declared = Gauge("klaster_budget_declared", "Used up by documents, in units of the currency.", ["currency"], registry=registry)
        self.available = Gauge(
            "klaster_budget_available", "Planned and neither committed nor declared, in units of the currency.", ["currency"], registry=registry
        )
        self.open_commitments = Gauge("klaster_budget_open_commitments", "Commitments with something open.", registry=registry)
        self.contradicting_lines = Gauge(
            "klaster_budget_contradicting_lines",
            "Lines whose balance is not the sum of their commitments and expenditures; anything but 0 is a defect.",
            registry=registry,
        )

    async def refresh(self, connection: Connection) -> None:
        for currency, sums in (await sums_by_currency(connection)).items():
            self.planned.labels(currency).set(float(sums.planned))
            self.committed.labels(currency).set(float(sums.committed))
            self.declared.labels(currency).set(float(sums.declared))
            self.available.labels(currency).set(float(sums.planned - sums.committed - sums.declared))
        self.open_commitments.set(await open_commitments(connection))
        now = self._clock.now()
        if self._audited is None or now - self._audited >= AUDIT_EVERY:
            self.contradicting_lines.set(await contradicting_lines(connection))
            self._audited = now
