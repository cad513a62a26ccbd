"""The composition root: chooses what stands behind every port. Nothing is opened here."""

import socket
from dataclasses import dataclass, replace
from functools import partial

from klaster_notifications.adapters.calendars import CalendarWriter, Organiser
from klaster_notifications.adapters.letters import TemplateLetters
from klaster_notifications.adapters.shares import SHARES
from klaster_notifications.adapters.smtp import SmtpAccess, SmtpServer
from klaster_notifications.adapters.work import NotificationsWork
from klaster_notifications.consumers import build_consumers
from klaster_notifications.metrics import NotificationsMetrics
from klaster_notifications.restoring.store_guard import StoreGuard
from klaster_notifications.sending.sender import Sender
from klaster_notifications.settings import NotificationsSettings
from klaster_shared.assembly import Assembly, assemble
from klaster_shared.clock import Clock, SystemClock
from klaster_shared.consuming.log_spans import LogEdges
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.observability.metrics import Metrics, new_registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    assembly: Assembly[NotificationsWork]
    letters: TemplateLetters
    sender: Sender

    @property
    def database(self) -> Database:
        return self.assembly.database

    @property
    def metrics(self) -> Metrics:
        return self.assembly.metrics

    @property
    def transactions(self) -> Transactions[NotificationsWork]:
        return self.assembly.transactions


def build(settings: NotificationsSettings, *, clock: Clock | None = None) -> Parts:
    clock, metrics = clock or SystemClock(), Metrics(new_registry())
    own_metrics = NotificationsMetrics(metrics.registry, clock)
    organiser = Organiser(name=settings.sender_name, address=settings.sender_address)
    letters = TemplateLetters(CalendarWriter(organiser))
    work = partial(NotificationsWork, letters=letters)
    assembly = assemble(
        settings,
        work=work,
        consumers=build_consumers(SHARES),
        probes=lambda _metrics, _clock: [own_metrics.refresh],
        clock=clock,
        metrics=metrics,
        also_wake=lambda: sender.wake(),  # noqa: PLW0108 - bound when called: the sender is made from the assembly
    )
    sender = Sender(
        Transactions(assembly.database, work, clock=clock, wake=assembly.relay.wake),  # what the sender commits is no reason to wake it
        SmtpServer(_smtp_access(settings), organiser),
        own_metrics,
        connections=settings.send_connections,
        most_attempts=settings.send_attempts,
    )
    guard = StoreGuard(assembly.database, LogEdges(settings.kafka_servers), own_metrics.store_lost)
    return Parts(assembly=replace(assembly, components=[guard, *assembly.components, sender]), letters=letters, sender=sender)


def _smtp_access(settings: NotificationsSettings) -> SmtpAccess:
    return SmtpAccess(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        own_name=socket.gethostname(),
        username=settings.smtp_username,
        password=None if settings.smtp_password is None else settings.smtp_password.get_secret_value(),
    )
