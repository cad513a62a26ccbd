from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from klaster_budget.adapters.work import BudgetWork
from klaster_budget.application.declare_expenditure import DeclareExpenditure, declare_expenditure
from klaster_budget.application.reserve_commitment import reserve_commitment
from klaster_budget.bootstrap import Parts
from klaster_budget.domain.grant import Grant
from klaster_budget.metrics import AUDIT_EVERY, BudgetMetrics
from klaster_budget.testing import NOON, a_claim, a_grant, a_request, costs
from klaster_shared.testing.fakes import FixedClock

pytestmark = pytest.mark.engines


@pytest.fixture
async def grant(parts: Parts, new_work: Callable[[], AbstractAsyncContextManager[BudgetWork]]) -> Grant:
    """30 of 100 committed, 20 declared."""
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE grant_agreement, commitment CASCADE")
    grant = a_grant(travel="60", venue="40")
    async with new_work() as work:
        await work.grants.save(grant)
        await reserve_commitment(a_request(*costs(travel="30"), grant=grant.id), work)
        await declare_expenditure(DeclareExpenditure(grant=grant.id, claim=a_claim("20"), source="http"), work)
    return grant


async def refreshed(parts: Parts, metrics: BudgetMetrics) -> None:
    async with parts.database.connect() as connection:
        await metrics.refresh(connection)


async def test_the_gauges_show_the_sums_of_all_lines_by_currency(parts: Parts, grant: Grant) -> None:
    registry = CollectorRegistry()
    await refreshed(parts, BudgetMetrics(registry, FixedClock(NOON)))

    shown = {
        name: registry.get_sample_value(f"klaster_budget_{name}", {"currency": "PLN"}) for name in ("planned", "committed", "declared", "available")
    }
    assert shown == {"planned": 100, "committed": 30, "declared": 20, "available": 50}
    assert registry.get_sample_value("klaster_budget_open_commitments") == 1


async def test_a_line_that_contradicts_its_commitments_shows_at_the_next_audit(parts: Parts, grant: Grant) -> None:
    registry, clock = CollectorRegistry(), FixedClock(NOON)
    metrics = BudgetMetrics(registry, clock)
    await refreshed(parts, metrics)
    async with parts.database.connect() as connection:
        await connection.execute("UPDATE budget_line SET declared = 21 WHERE code = 'travel'")

    clock.advance(AUDIT_EVERY - timedelta(seconds=1))
    await refreshed(parts, metrics)
    before = registry.get_sample_value("klaster_budget_contradicting_lines")
    clock.advance(timedelta(seconds=1))
    await refreshed(parts, metrics)

    assert (before, registry.get_sample_value("klaster_budget_contradicting_lines")) == (0, 1)
