"""The alert conditions that matter on one machine, evaluated from what the services expose, so that nobody is blind without Prometheus.

The one rule: names and limits are those of `deploy/prometheus/alerts.yml`, and each name has its page in `docs/runbooks`. A rule there waits some
minutes before it fires; a look of ours says what is the case now. Conditions that need the past (rates, changes) are left to Prometheus.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from klaster_local.metrics import Samples

OUTBOX_SECONDS: Final = 60.0
LAG_SECONDS: Final = 60.0
STUCK_SECONDS: Final = 120.0
PARKED_SECONDS: Final = 3600.0
DELIVERY_SECONDS: Final = 900.0
STANDSTILL_SECONDS: Final = 60.0
STALE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """`concerns` is the consumer, the saga or another part of the service; empty when it is the service as a whole."""

    name: str
    service: str
    concerns: str
    text: str


def alerts_of(service: str, samples: Samples) -> list[Alert]:
    """What is wrong with one service."""
    return [
        Alert(name=name, service=service, concerns=concerns, text=text)
        for name, condition in _CONDITIONS.items()
        for concerns, text in condition(samples)
    ]


type Finding = tuple[str, str]


def _outbox_old(samples: Samples) -> Iterator[Finding]:
    age = samples.total("klaster_outbox_oldest_age_seconds")
    if age > OUTBOX_SECONDS:
        yield "", f"the oldest unpublished message is {age:.0f} s old, of {samples.total('klaster_outbox_pending'):.0f}"


def _outbox_dead(samples: Samples) -> Iterator[Finding]:
    dead = samples.total("klaster_outbox_dead")
    if dead:
        yield "", f"{dead:.0f} messages that the broker refuses for good; each holds up its key"


def _scheduled_late(samples: Samples) -> Iterator[Finding]:
    late = samples.total("klaster_outbox_scheduled_overdue_seconds")
    if late > OUTBOX_SECONDS:
        yield "", f"a scheduled message should have left {late:.0f} s ago, of {samples.total('klaster_outbox_scheduled'):.0f}"


def _no_leader(samples: Samples) -> Iterator[Finding]:
    known = list(samples.of("klaster_outbox_relay_leader"))
    if known and not any(sample.value for sample in known):
        yield "", "no relay: nothing is published"


def _behind(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_consumer_lag_seconds"):
        if sample.value > LAG_SECONDS:
            consumer = sample.labels["consumer"]
            messages = samples.total("klaster_consumer_lag_messages", consumer=consumer)
            yield consumer, f"{messages:.0f} messages behind, the oldest {sample.value:.0f} s"


def _stuck(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_consumer_last_progress_timestamp_seconds"):
        consumer, still = sample.labels["consumer"], time.time() - sample.value
        messages = samples.total("klaster_consumer_lag_messages", consumer=consumer)
        if messages and still > STUCK_SECONDS:
            yield consumer, f"{messages:.0f} messages behind, and it has moved past none for {still:.0f} s"


def _without_partitions(samples: Samples) -> Iterator[Finding]:
    """The age of the parked is shown for every consumer there is, whether it has joined its group or not."""
    joined = {sample.labels["consumer"] for sample in samples.of("klaster_consumer_lag_messages")}
    for sample in samples.of("klaster_parked_oldest_age_seconds"):
        if sample.labels["consumer"] not in joined:
            yield sample.labels["consumer"], "it holds no verified partition: messages wait in Kafka"


def _parked_long(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_parked_oldest_age_seconds"):
        if sample.value > PARKED_SECONDS:
            yield sample.labels["consumer"], f"a message has been parked for {sample.value / 60:.0f} minutes"


def _parking_full(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_parked_quota_stopped"):
        if sample.value:
            yield sample.labels["consumer"], f"{sample.value:.0f} partitions stand still: too much is parked for one more; retry or skip what is"


def _parked(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_parked_messages"):
        if sample.value:
            yield sample.labels["consumer"], f"{sample.value:.0f} messages parked: {sample.labels['reason']}"


def _refused(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_consumer_refused_partitions"):
        if sample.value:
            yield sample.labels["consumer"], f"{sample.value:.0f} partitions refused; `klaster positions reset` is the way out"


def _paused(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_consumer_paused_partitions"):
        consumer = sample.labels["consumer"]
        waiting = sample.value - samples.total("klaster_parked_quota_stopped", consumer=consumer)
        if waiting > 0:
            yield consumer, f"{waiting:.0f} partitions do not get past a message; the others flow on"


def _name_taken(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_consumer_fenced"):
        if sample.value:
            yield sample.labels["consumer"], "it stands aside: another process has its KLASTER_INSTANCE_ID"


def _standstill(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_standstill_seconds"):
        if sample.value > STANDSTILL_SECONDS:
            yield sample.labels["component"], f"work has waited {sample.value:.0f} s and none was done; only a new start helps"


def _stale(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_stored_state_refreshed_timestamp_seconds"):
        age = time.time() - sample.value
        if age > STALE_SECONDS:
            yield "gauges", f"they show the database as it was {age:.0f} s ago"


def _overdue(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_saga_overdue"):
        if sample.value:
            yield sample.labels["saga"], f"{sample.value:.0f} processes past their deadline"


def _mail_server(samples: Samples) -> Iterator[Finding]:
    for sample in samples.of("klaster_notifications_mail_server_up"):
        if not sample.value:
            yield "sender", "the mail server takes no mail"


def _store(samples: Samples) -> Iterator[Finding]:
    if samples.total("klaster_notifications_store_lost"):
        yield "store guard", "the store is empty and the log holds deliveries; the service waits to be restored"


def _deliveries(samples: Samples) -> Iterator[Finding]:
    age = samples.total("klaster_notifications_oldest_queued_age_seconds")
    if age > DELIVERY_SECONDS:
        yield "sender", f"the oldest mail has waited {age:.0f} s"


def _books(samples: Samples) -> Iterator[Finding]:
    lines = samples.total("klaster_budget_contradicting_lines")
    if lines:
        yield "books", f"{lines:.0f} budget lines contradict their commitments and documents"


_CONDITIONS: Final[dict[str, Callable[[Samples], Iterator[Finding]]]] = {
    "OutboxStalled": _outbox_old,
    "NoRelayLeader": _no_leader,
    "DeadOutboxRow": _outbox_dead,
    "ScheduledOverdue": _scheduled_late,
    "ConsumerLagging": _behind,
    "ConsumerStuck": _stuck,
    "ConsumerWithoutPartitions": _without_partitions,
    "PartitionRefused": _refused,
    "PartitionPaused": _paused,
    "InstanceIdTaken": _name_taken,
    "ComponentStandsStill": _standstill,
    "StoredStateStale": _stale,
    "MessagesParked": _parked,
    "ParkedTooLong": _parked_long,
    "ParkingQuotaReached": _parking_full,
    "SagaOverdue": _overdue,
    "BudgetContradiction": _books,
    "MailServerAway": _mail_server,
    "StoreLost": _store,
    "DeliveriesStuck": _deliveries,
}
