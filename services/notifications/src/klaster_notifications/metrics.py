"""What operations ask first: how many deliveries wait and for how long, what the mail server says, why mails fail."""

import re
import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from klaster_notifications.adapters.reading import deliveries_by_status, oldest_queued
from klaster_notifications.domain.dispatch import Answer
from klaster_shared.clock import Clock
from klaster_shared.db.engine import Connection

COUNT_EVERY_SECONDS: Final = 30.0
"""All deliveries ever made are counted, which costs more the longer the record grows; the age of the oldest is read every time."""

_SEND_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 40)
_CODE: Final = re.compile(r"[0-9]{2}$")


class NotificationsMetrics:
    """`refresh` is a probe of `StoredState`; the rest is told by the sender."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._count_next = 0.0
        self.deliveries = Gauge("klaster_notifications_deliveries", "Deliveries by what has become of them.", ["status"], registry=registry)
        self.oldest_queued_age_seconds = Gauge(
            "klaster_notifications_oldest_queued_age_seconds", "Age of the oldest delivery not yet sent; 0 when none.", registry=registry
        )
        self.attempts = Counter(
            "klaster_notifications_send_attempts_total",
            "Mails offered to the mail server: accepted, deferred or refused.",
            ["verdict"],
            registry=registry,
        )
        self.failures = Counter(
            "klaster_notifications_send_failures_total",
            "Mails not accepted and connections not made, by kind: smtp-4xx, smtp-5xx, timeout, disconnected, unreachable, tls and the like.",
            ["kind"],
            registry=registry,
        )
        self.send_seconds = Histogram(
            "klaster_notifications_send_seconds", "Duration of one mail's dialogue with the mail server.", buckets=_SEND_SECONDS, registry=registry
        )
        self.mail_server_up = Gauge(
            "klaster_notifications_mail_server_up",
            "1 while the mail server takes mail from this process, 0 since it last refused.",
            registry=registry,
        )
        self.mail_server_up.set(1)
        self.store_lost = Gauge(
            "klaster_notifications_store_lost",
            "1 while the store is empty though the log holds deliveries, and the service waits to be restored.",
            registry=registry,
        )

    async def refresh(self, connection: Connection) -> None:
        oldest = await oldest_queued(connection)
        self.oldest_queued_age_seconds.set(0 if oldest is None else max(0.0, (self._clock.now() - oldest).total_seconds()))
        if time.monotonic() < self._count_next:
            return
        self._count_next = time.monotonic() + COUNT_EVERY_SECONDS
        for status, deliveries in (await deliveries_by_status(connection)).items():
            self.deliveries.labels(status).set(deliveries)

    def answered(self, answer: Answer) -> None:
        self.attempts.labels(answer.verdict).inc()
        if answer.failure is not None:
            self.failures.labels(_kind(answer.failure)).inc()

    def server_away(self, failure: str) -> None:
        self.mail_server_up.set(0)
        self.failures.labels(_kind(failure)).inc()

    def server_back(self) -> None:
        self.mail_server_up.set(1)


def _kind(failure: str) -> str:
    """`smtp-451` → `smtp-4xx`: one series for each class of codes, not for each code."""
    return _CODE.sub("xx", failure)
