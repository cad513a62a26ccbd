"""The part of every service's composition root that is the same in all of them: database, outbox, consumers, gauges.

The one rule: here is decided what stands behind each port, and nothing is opened; the application's lifespan does that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from klaster_shared.clock import Clock, SystemClock
from klaster_shared.consuming.consumer import RunningConsumer
from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.office import ParkingOffice
from klaster_shared.consuming.quota import Quota
from klaster_shared.consuming.retention import InboxRetention
from klaster_shared.consuming.retrying import Unparker
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.kafka import TopicIdentities
from klaster_shared.observability.metrics import Metrics, new_registry
from klaster_shared.observability.stored_state import Probe, StoredState
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.outbox.relay import Relay
from klaster_shared.outbox.standstill import RelayLook
from klaster_shared.settings import ServiceSettings
from klaster_shared.watchdog import Watchdog
from klaster_shared.web.lifespan import Component


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly[W: UnitOfWork]:
    """`components` in the order of starting; `office` is None in a service that consumes nothing."""

    clock: Clock
    database: Database
    metrics: Metrics
    relay: Relay
    transactions: Transactions[W]
    consumers: Sequence[Consumer]
    components: Sequence[Component]
    office: ParkingOffice[W] | None


def assemble[W: UnitOfWork](
    settings: ServiceSettings,
    *,
    work: Callable[..., W],
    consumers: Sequence[Consumer] = (),
    probes: Callable[[Metrics, Clock], Sequence[Probe]] = lambda _metrics, _clock: (),
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    also_wake: Callable[[], None] = lambda: None,
) -> Assembly[W]:
    """`work` is called as `work(connection, now=…, origin=…)`; `probes` makes a service's own gauges on the registry of the metrics.

    `also_wake` is called, like the relay, after each commit that wrote outbox rows; for a worker that waits for what they report.
    """
    clock = clock or SystemClock()
    metrics = metrics or Metrics(new_registry())
    database = Database(settings.database_url.get_secret_value(), name=settings.service, pool_size=settings.database_pool_size)
    relay = Relay(database, lambda: KafkaPublisher(settings.kafka_servers, client_id=f"{settings.service}-relay"), metrics=metrics, clock=clock)

    def wake() -> None:
        relay.wake()
        also_wake()

    transactions = Transactions(database, work, clock=clock, wake=wake, expect=relay.expect)
    gauges = StoredState(database, metrics, clock, consumers=[c.name for c in consumers], probes=probes(metrics, clock))
    unparkers = {c.name: Unparker(c, transactions, metrics) for c in consumers}
    identities = TopicIdentities(settings.kafka_servers)
    running = _running(consumers, transactions, metrics, settings, identities)
    keep = timedelta(days=settings.inbox_retention_days)
    retention = [InboxRetention(database, metrics, clock, keep=keep)] if consumers else []
    watchdog = Watchdog([RelayLook(relay, database, identities.cluster), *[consumer.for_watchdog() for consumer in running]], metrics)
    return Assembly(
        clock=clock,
        database=database,
        metrics=metrics,
        relay=relay,
        transactions=transactions,
        consumers=consumers,
        components=[relay, *running, *unparkers.values(), *retention, gauges, watchdog],
        office=ParkingOffice(transactions, consumers, wake=lambda name: unparkers[name].wake(), editing=settings.parked_editing)
        if consumers
        else None,
    )


def _running[W: UnitOfWork](
    consumers: Sequence[Consumer], transactions: Transactions[W], metrics: Metrics, settings: ServiceSettings, identities: TopicIdentities
) -> list[RunningConsumer[W]]:
    middleware = KafkaPrometheusMiddleware(registry=metrics.registry, app_name=settings.service)
    return [
        RunningConsumer(
            consumer,
            transactions,
            servers=settings.kafka_servers,
            instance=settings.instance_id,
            metrics=metrics,
            identities=identities,
            middleware=middleware,
            quota=Quota(per_key=settings.parked_per_key, per_consumer=settings.parked_per_consumer),
        )
        for consumer in consumers
    ]
