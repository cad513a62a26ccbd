from prometheus_client import CollectorRegistry

from klaster_shared.observability.metrics import Metrics, exported_names, new_registry

PUBLIC = [
    "klaster_outbox_pending",
    "klaster_outbox_oldest_age_seconds",
    "klaster_outbox_dead",
    "klaster_outbox_relay_leader",
    "klaster_outbox_published_total",
    "klaster_outbox_publish_failures_total",
    "klaster_outbox_publish_delay_seconds_bucket",
    "klaster_consumer_handled_total",
    "klaster_consumer_handle_seconds_bucket",
    "klaster_consumer_lag_messages",
    "klaster_consumer_lag_seconds",
    "klaster_consumer_last_progress_timestamp_seconds",
    "klaster_consumer_chunk_fallbacks_total",
    "klaster_consumer_rebalances_total",
    "klaster_parked_messages",
    "klaster_parked_oldest_age_seconds",
    "klaster_message_age_seconds_bucket",
    "klaster_http_requests_total",
    "klaster_http_request_seconds_bucket",
    "klaster_saga_open",
    "klaster_saga_overdue",
    "klaster_build_info",
]


def test_the_platforms_metrics_have_the_names_that_alerts_rely_on() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    assert exported_names(registry) >= set(PUBLIC)


def test_a_metric_is_listed_before_it_has_a_sample() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    assert metrics.outbox_published.labels(topic="klaster.events.event.v1") is not None
    assert "klaster_consumer_handled_total" in exported_names(registry)


def test_every_platform_metric_says_what_it_is() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    assert [family.name for family in registry.collect() if not family.documentation.endswith(".")] == []


def test_two_applications_in_one_process_do_not_share_figures() -> None:
    one, other = Metrics(new_registry()), Metrics(new_registry())
    one.outbox_pending.set(3)
    assert other.registry.get_sample_value("klaster_outbox_pending") == 0


def test_a_fresh_registry_shows_the_process() -> None:
    assert "process_resident_memory_bytes" in exported_names(new_registry())
