from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from klaster_notifications import bootstrap
from klaster_notifications.domain.dispatch import Dispatch
from klaster_notifications.metrics import NotificationsMetrics
from klaster_notifications.testing import NOON, a_delivery, a_letter
from klaster_shared.origin import Origin
from klaster_shared.testing.fakes import FixedClock

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("empty")]

ORIGIN = Origin(actor="test", correlation_id="flow", causation_id="command")


async def shown(parts: bootstrap.Parts) -> tuple[float | None, dict[str, float | None]]:
    """The age of the oldest queued delivery, a minute after noon, and deliveries by status."""
    registry = CollectorRegistry()
    async with parts.database.connect() as connection:
        await NotificationsMetrics(registry, FixedClock(NOON + timedelta(minutes=1))).refresh(connection)
    statuses = ("queued", "sent", "failed", "suppressed")
    counts = {status: registry.get_sample_value("klaster_notifications_deliveries", {"status": status}) for status in statuses}
    return registry.get_sample_value("klaster_notifications_oldest_queued_age_seconds"), counts


async def test_without_deliveries_every_figure_is_zero(parts: bootstrap.Parts) -> None:
    assert await shown(parts) == (0, {"queued": 0, "sent": 0, "failed": 0, "suppressed": 0})


async def test_deliveries_are_counted_by_status_and_the_oldest_queued_has_an_age(parts: bootstrap.Parts) -> None:
    deliveries = [a_delivery() for _ in range(4)]
    deliveries[0].sent(NOON)
    deliveries[1].failed("smtp-550", NOON)
    async with parts.transactions.begin(ORIGIN) as work:
        for delivery in deliveries:
            await work.deliveries.add(delivery, a_letter())
            await work.dispatches.add(Dispatch(delivery=delivery.id, due_at=NOON))

    assert await shown(parts) == (60, {"queued": 2, "sent": 1, "failed": 1, "suppressed": 0})
