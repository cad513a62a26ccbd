"""The composition root: chooses what stands behind every port. Nothing is opened here."""

from collections.abc import Sequence
from dataclasses import dataclass

from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from klaster_budget.adapters.work import BudgetWork
from klaster_budget.consumers import build_consumers
from klaster_budget.metrics import BudgetMetrics
from klaster_budget.settings import BudgetSettings
from klaster_shared.clock import Clock, SystemClock
from klaster_shared.consuming.consumer import RunningConsumer
from klaster_shared.consuming.office import ParkingOffice
from klaster_shared.consuming.retrying import Unparker
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.kafka import TopicIdentities
from klaster_shared.observability.metrics import Metrics, new_registry
from klaster_shared.observability.stored_state import StoredState
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.outbox.relay import Relay
from klaster_shared.web.lifespan import Component


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    database: Database
    transactions: Transactions[BudgetWork]
    metrics: Metrics
    office: ParkingOffice[BudgetWork]
    components: Sequence[Component]
    """In the order of starting."""


def build(settings: BudgetSettings, *, clock: Clock | None = None) -> Parts:
    clock = clock or SystemClock()
    database = Database(settings.database_url.get_secret_value(), name=settings.service, pool_size=settings.database_pool_size)
    metrics = Metrics(new_registry())
    relay = Relay(database, lambda: KafkaPublisher(settings.kafka_servers, client_id=f"{settings.service}-relay"), metrics=metrics, clock=clock)
    transactions = Transactions(database, BudgetWork, clock=clock, wake=relay.wake)
    declared = build_consumers(settings.allowed_sources)
    identities = TopicIdentities(settings.kafka_servers)
    middleware = KafkaPrometheusMiddleware(registry=metrics.registry)
    consumers = [
        RunningConsumer(
            consumer,
            transactions,
            servers=settings.kafka_servers,
            instance=settings.instance_id,
            metrics=metrics,
            identities=identities,
            middleware=middleware,
        )
        for consumer in declared
    ]
    unparkers = {consumer.name: Unparker(consumer, transactions, metrics) for consumer in declared}
    gauges = StoredState(
        database, metrics, clock, consumers=[consumer.name for consumer in declared], probes=[BudgetMetrics(metrics.registry, clock).refresh]
    )
    return Parts(
        database=database,
        transactions=transactions,
        metrics=metrics,
        office=ParkingOffice(transactions, wake=lambda consumer: unparkers[consumer].wake()),
        components=[relay, *consumers, *unparkers.values(), gauges],
    )
