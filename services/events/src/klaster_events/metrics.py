"""What the cluster's office and operations ask first, as figures: events and registrations by status, approvals that wait."""

from prometheus_client import Gauge

from klaster_events.adapters.reading import census
from klaster_events.domain.event import EventStatus
from klaster_events.domain.registrant import LIVE
from klaster_shared.clock import Clock
from klaster_shared.db.engine import Connection
from klaster_shared.observability.metrics import Metrics

SAGA = "approval"


class EventsMetrics:
    """`refresh` is a probe of `StoredState`."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._clock = clock
        self._open = metrics.saga_open.labels(SAGA)
        self._overdue = metrics.saga_overdue.labels(SAGA)
        self.events = Gauge("klaster_events_events", "Events by status.", ["status"], registry=metrics.registry)
        self.registrations = Gauge("klaster_events_registrations", "Live registrations by status.", ["status"], registry=metrics.registry)

    async def refresh(self, connection: Connection) -> None:
        counted = await census(connection, now=self._clock.now())
        self._open.set(counted.waiting_for_money)
        self._overdue.set(counted.overdue)
        for status in EventStatus:
            self.events.labels(status).set(counted.events.get(status, 0))
        for live in LIVE:
            self.registrations.labels(live).set(counted.registrations.get(live, 0))
