"""The composition root: chooses what stands behind every port. Nothing is opened here."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from klaster_notifications.adapters.calendars import CalendarWriter, Organiser
from klaster_notifications.adapters.letters import TemplateLetters
from klaster_notifications.adapters.smtp import SmtpAccess, SmtpServer
from klaster_notifications.adapters.work import NotificationsWork
from klaster_notifications.consumers import build_consumers
from klaster_notifications.metrics import NotificationsMetrics
from klaster_notifications.sending.sender import Sender
from klaster_notifications.settings import NotificationsSettings
from klaster_shared.clock import Clock, SystemClock
from klaster_shared.consuming.consumer import RunningConsumer
from klaster_shared.consuming.handling import Consumer
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
    """`components` in the order of starting."""

    database: Database
    transactions: Transactions[NotificationsWork]
    metrics: Metrics
    letters: TemplateLetters
    sender: Sender
    office: ParkingOffice[NotificationsWork]
    components: Sequence[Component]


def build(settings: NotificationsSettings, *, clock: Clock | None = None) -> Parts:
    clock = clock or SystemClock()
    metrics = Metrics(new_registry())
    own_metrics = NotificationsMetrics(metrics.registry, clock)
    database = Database(settings.database_url.get_secret_value(), name=settings.service, pool_size=settings.database_pool_size)
    relay = Relay(database, lambda: KafkaPublisher(settings.kafka_servers, client_id=f"{settings.service}-relay"), metrics=metrics, clock=clock)
    organiser = Organiser(name=settings.sender_name, address=settings.sender_address)
    letters = TemplateLetters(CalendarWriter(organiser))
    work = partial(NotificationsWork, letters=letters)
    sender = Sender(
        Transactions(database, work, clock=clock, wake=relay.wake),  # what the sender commits is no reason to wake it
        SmtpServer(_smtp_access(settings), organiser),
        own_metrics,
        connections=settings.send_connections,
        most_attempts=settings.send_attempts,
    )

    def wake() -> None:
        relay.wake()
        sender.wake()

    transactions = Transactions(database, work, clock=clock, wake=wake)
    declared = build_consumers()
    unparkers = {consumer.name: Unparker(consumer, transactions, metrics) for consumer in declared}
    gauges = StoredState(database, metrics, clock, consumers=[consumer.name for consumer in declared], probes=[own_metrics.refresh])
    return Parts(
        database=database,
        transactions=transactions,
        metrics=metrics,
        letters=letters,
        sender=sender,
        office=ParkingOffice(transactions, wake=lambda consumer: unparkers[consumer].wake()),
        components=[relay, sender, *_running(declared, transactions, metrics, settings), *unparkers.values(), gauges],
    )


def _smtp_access(settings: NotificationsSettings) -> SmtpAccess:
    return SmtpAccess(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        own_name=socket.gethostname(),
        username=settings.smtp_username,
        password=None if settings.smtp_password is None else settings.smtp_password.get_secret_value(),
    )


def _running(
    declared: Sequence[Consumer], transactions: Transactions[NotificationsWork], metrics: Metrics, settings: NotificationsSettings
) -> list[RunningConsumer[NotificationsWork]]:
    identities = TopicIdentities(settings.kafka_servers)
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
        )
        for consumer in declared
    ]
