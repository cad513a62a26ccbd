"""The platform's metrics: one place says their names, labels, units and meaning, because alerts and dashboards rely on them.

The one rule: a label holds a word from a short list that is known beforehand (a topic, a consumer, a route template), never an
id, a name or an address.
"""

from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

_COMMAND_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TRAVEL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

_SAMPLE_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count"), "info": ("_info",)}


def new_registry() -> CollectorRegistry:
    """A registry with the process, interpreter and garbage collector figures every service shows."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves this one function unannotated
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exported_names(registry: CollectorRegistry) -> frozenset[str]:
    """Every series name that `registry` can show, also those without a sample yet; what alert rules may name."""
    return frozenset(_series_names(registry))


def _series_names(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        for suffix in _SAMPLE_SUFFIXES.get(family.type, ("",)):
            yield family.name + suffix


class Metrics:
    """The metrics of design section 11 on the registry passed in. Gauges of stored state are set by their component's refresher."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._build_outbox(registry)
        self._build_consumer(registry)
        self._build_parking(registry)
        self._build_http(registry)
        self._build_sagas(registry)

    def _build_outbox(self, to: CollectorRegistry) -> None:
        self.outbox_pending = Gauge(
            "klaster_outbox_pending", "Messages committed and not yet acknowledged by the broker, dead ones excluded.", registry=to
        )
        self.outbox_oldest_age_seconds = Gauge("klaster_outbox_oldest_age_seconds", "Age of the oldest pending message; 0 when none.", registry=to)
        self.outbox_dead = Gauge("klaster_outbox_dead", "Messages the broker refuses for good; each holds up its own topic and key.", registry=to)
        self.outbox_scheduled = Gauge("klaster_outbox_scheduled", "Messages that are to leave at a time to come.", registry=to)
        self.outbox_scheduled_overdue_seconds = Gauge(
            "klaster_outbox_scheduled_overdue_seconds", "By how much the first scheduled message should have left; 0 when it need not.", registry=to
        )
        self.outbox_relay_leader = Gauge("klaster_outbox_relay_leader", "1 while this process is its database's relay.", registry=to)
        self.outbox_published = Counter("klaster_outbox_published_total", "Messages acknowledged by the broker.", ["topic"], registry=to)
        self.outbox_publish_failures = Counter("klaster_outbox_publish_failures_total", "Sends that failed, by cause.", ["reason"], registry=to)
        self.outbox_publish_delay_seconds = Histogram(
            "klaster_outbox_publish_delay_seconds", "From recorded to acknowledged by the broker.", buckets=_TRAVEL_SECONDS, registry=to
        )

    def _build_consumer(self, to: CollectorRegistry) -> None:
        self.consumer_handled = Counter(
            "klaster_consumer_handled_total",
            "Messages disposed of: applied, duplicate, skipped or parked.",
            ["consumer", "type", "outcome"],
            registry=to,
        )
        self.consumer_handle_seconds = Histogram(
            "klaster_consumer_handle_seconds", "Duration of one chunk's transaction.", ["consumer"], buckets=_COMMAND_SECONDS, registry=to
        )
        self.consumer_lag_messages = Gauge(
            "klaster_consumer_lag_messages", "Messages behind the end of the partition.", ["consumer", "topic", "partition"], registry=to
        )
        self.consumer_lag_seconds = Gauge(
            "klaster_consumer_lag_seconds", "Age of the oldest message not yet handled; 0 when none.", ["consumer"], registry=to
        )
        self.consumer_last_progress = Gauge(
            "klaster_consumer_last_progress_timestamp_seconds",
            "When the consumer last moved or was seen to be at the end, Unix time.",
            ["consumer"],
            registry=to,
        )
        self.consumer_refused_partitions = Gauge(
            "klaster_consumer_refused_partitions",
            "Partitions whose log does not fit the stored position; each waits for `klaster positions reset`.",
            ["consumer"],
            registry=to,
        )
        self.consumer_paused_partitions = Gauge(
            "klaster_consumer_paused_partitions",
            "Partitions that wait by themselves before they are tried again; the others flow on.",
            ["consumer"],
            registry=to,
        )
        self.consumer_fenced = Gauge(
            "klaster_consumer_fenced", "1 while another process works under this one's KLASTER_INSTANCE_ID.", ["consumer"], registry=to
        )
        self.standstill_seconds = Gauge(
            "klaster_standstill_seconds",
            "For how long work has waited and none was done, although database and broker answer; 0 when all is well.",
            ["component"],
            registry=to,
        )
        self.inbox_rows = Gauge("klaster_inbox_rows", "Ids the inbox remembers, as the database estimates.", registry=to)
        self.inbox_forgotten = Counter("klaster_inbox_forgotten_total", "Ids deleted from the inbox because of their age.", registry=to)
        self.inbox_cleared = Gauge(
            "klaster_inbox_cleared_timestamp_seconds", "When this process last found nothing more to delete from the inbox, Unix time.", registry=to
        )
        self.stored_state_refreshed = Gauge(
            "klaster_stored_state_refreshed_timestamp_seconds", "When the gauges of stored state were last read, Unix time.", registry=to
        )
        self.consumer_chunk_fallbacks = Counter(
            "klaster_consumer_chunk_fallbacks_total", "Chunks repeated one message at a time after an error.", ["consumer"], registry=to
        )
        self.consumer_rebalances = Counter(
            "klaster_consumer_rebalances_total", "Assignments received from the group's coordinator.", ["consumer"], registry=to
        )
        self.message_age_seconds = Histogram(
            "klaster_message_age_seconds", "From published to applied.", ["consumer"], buckets=_TRAVEL_SECONDS, registry=to
        )

    def _build_parking(self, to: CollectorRegistry) -> None:
        self.parked_messages = Gauge(
            "klaster_parked_messages", "Messages set aside, by the reason of the one at their gate's head.", ["consumer", "reason"], registry=to
        )
        self.parked_oldest_age_seconds = Gauge(
            "klaster_parked_oldest_age_seconds", "Age of the oldest parked message; 0 when none.", ["consumer"], registry=to
        )
        self.parked_quota_stopped = Gauge(
            "klaster_parked_quota_stopped",
            "Partitions that stand still because parking one message more would exceed the quota.",
            ["consumer"],
            registry=to,
        )

    def _build_http(self, to: CollectorRegistry) -> None:
        self.http_requests = Counter("klaster_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=to)
        self.http_request_seconds = Histogram(
            "klaster_http_request_seconds", "From the first byte in to the last byte out.", ["method", "route"], buckets=_COMMAND_SECONDS, registry=to
        )

    def _build_sagas(self, to: CollectorRegistry) -> None:
        self.saga_open = Gauge("klaster_saga_open", "Processes that wait for an answer.", ["saga"], registry=to)
        self.saga_overdue = Gauge("klaster_saga_overdue", "Processes whose deadline has passed and that still wait.", ["saga"], registry=to)
        self.build_info = Gauge("klaster_build_info", "Always 1; the labels say what runs.", ["service", "version"], registry=to)
