"""The composition root: chooses what stands behind every port. Nothing is opened here."""

from collections.abc import Sequence
from dataclasses import dataclass

from klaster_partners.adapters.work import PartnersWork
from klaster_partners.metrics import PartnersMetrics
from klaster_partners.settings import PartnersSettings
from klaster_shared.clock import Clock, SystemClock
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.observability.metrics import Metrics, new_registry
from klaster_shared.observability.stored_state import StoredState
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.outbox.relay import Relay
from klaster_shared.web.lifespan import Component


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    database: Database
    transactions: Transactions[PartnersWork]
    metrics: Metrics
    components: Sequence[Component]
    """In the order of starting."""


def build(settings: PartnersSettings, *, clock: Clock | None = None) -> Parts:
    clock = clock or SystemClock()
    database = Database(settings.database_url.get_secret_value(), name=settings.service, pool_size=settings.database_pool_size)
    metrics = Metrics(new_registry())
    relay = Relay(database, lambda: KafkaPublisher(settings.kafka_servers, client_id=f"{settings.service}-relay"), metrics=metrics, clock=clock)
    gauges = StoredState(database, metrics, clock, consumers=(), probes=[PartnersMetrics(metrics.registry, clock).refresh])
    return Parts(
        database=database,
        transactions=Transactions(database, PartnersWork, clock=clock, wake=relay.wake),
        metrics=metrics,
        components=[relay, gauges],
    )
