"""The composition root: chooses what stands behind every port. Nothing is opened here."""

from klaster_budget.adapters.work import BudgetWork
from klaster_budget.consumers import build_consumers
from klaster_budget.metrics import BudgetMetrics
from klaster_budget.settings import BudgetSettings
from klaster_shared.assembly import Assembly, assemble
from klaster_shared.clock import Clock

type Parts = Assembly[BudgetWork]


def build(settings: BudgetSettings, *, clock: Clock | None = None) -> Parts:
    return assemble(
        settings,
        work=BudgetWork,
        consumers=build_consumers(settings.allowed_sources),
        probes=lambda metrics, clock: [BudgetMetrics(metrics.registry, clock).refresh],
        clock=clock,
    )
