from pathlib import Path

import pytest

from klaster_local.alerts import _CONDITIONS, alerts_of
from klaster_local.metrics import parse

CHECKOUT = Path(__file__).parents[4]


def alerts(*lines: str) -> list[tuple[str, str, str]]:
    return [(alert.name, alert.concerns, alert.text) for alert in alerts_of("budget", parse("\n".join(lines) + "\n"))]


HEALTHY = (
    "klaster_outbox_pending 3",
    "klaster_outbox_oldest_age_seconds 0.4",
    "klaster_outbox_dead 0",
    "klaster_outbox_relay_leader 1",
    'klaster_consumer_lag_seconds{consumer="budget.events"} 1',
    'klaster_consumer_refused_partitions{consumer="budget.events"} 0',
    'klaster_saga_overdue{saga="approval"} 0',
)


def test_a_healthy_service_has_no_alert() -> None:
    assert alerts(*HEALTHY) == []


def test_a_service_that_exposes_nothing_of_ours_has_no_alert() -> None:
    assert alerts("process_resident_memory_bytes 1000") == []


@pytest.mark.parametrize(
    ("lines", "name", "concerns", "words"),
    [
        (["klaster_outbox_pending 5", "klaster_outbox_oldest_age_seconds 61"], "OutboxStalled", "", "61 s old, of 5"),
        (["klaster_outbox_dead 2"], "DeadOutboxRow", "", "2 messages"),
        (["klaster_outbox_scheduled 3", "klaster_outbox_scheduled_overdue_seconds 61"], "ScheduledOverdue", "", "61 s ago, of 3"),
        (["klaster_outbox_relay_leader 0"], "NoRelayLeader", "", "nothing is published"),
        (
            [
                'klaster_consumer_lag_seconds{consumer="budget.events"} 90',
                'klaster_consumer_lag_messages{consumer="budget.events",topic="t",partition="0"} 7',
            ],
            "ConsumerLagging",
            "budget.events",
            "7 messages behind, the oldest 90 s",
        ),
        (['klaster_parked_messages{consumer="budget.events",reason="schema"} 1'], "MessagesParked", "budget.events", "1 messages parked: schema"),
        (['klaster_consumer_refused_partitions{consumer="budget.events"} 2'], "PartitionRefused", "budget.events", "positions reset"),
        (
            ['klaster_consumer_paused_partitions{consumer="c"} 3', 'klaster_parked_quota_stopped{consumer="c"} 1'],
            "PartitionPaused",
            "c",
            "2 partitions",
        ),
        (['klaster_consumer_fenced{consumer="c"} 1'], "InstanceIdTaken", "c", "KLASTER_INSTANCE_ID"),
        (['klaster_standstill_seconds{component="relay"} 75'], "ComponentStandsStill", "relay", "75 s"),
        (["klaster_stored_state_refreshed_timestamp_seconds 1"], "StoredStateStale", "gauges", "s ago"),
        (['klaster_saga_overdue{saga="approval"} 4'], "SagaOverdue", "approval", "4 processes"),
        (
            [
                'klaster_consumer_last_progress_timestamp_seconds{consumer="c"} 1',
                'klaster_consumer_lag_messages{consumer="c",topic="t",partition="0"} 3',
            ],
            "ConsumerStuck",
            "c",
            "3 messages behind",
        ),
        (['klaster_parked_oldest_age_seconds{consumer="c"} 0'], "ConsumerWithoutPartitions", "c", "no verified partition"),
        (
            ['klaster_parked_oldest_age_seconds{consumer="c"} 7200', 'klaster_consumer_lag_messages{consumer="c",topic="t",partition="0"} 0'],
            "ParkedTooLong",
            "c",
            "120 minutes",
        ),
        (['klaster_parked_quota_stopped{consumer="c"} 2'], "ParkingQuotaReached", "c", "2 partitions stand still"),
        (["klaster_notifications_mail_server_up 0"], "MailServerAway", "sender", "takes no mail"),
        (["klaster_notifications_store_lost 1"], "StoreLost", "store guard", "waits to be restored"),
        (["klaster_notifications_oldest_queued_age_seconds 901"], "DeliveriesStuck", "sender", "901 s"),
        (["klaster_budget_contradicting_lines 1"], "BudgetContradiction", "books", "1 budget lines"),
    ],
)
def test_what_is_wrong_is_said_with_its_numbers(lines: list[str], name: str, concerns: str, words: str) -> None:
    texts = {(found, of): text for found, of, text in alerts(*lines)}
    assert words in texts[name, concerns]
    assert texts.keys() <= {(name, concerns), ("ParkingQuotaReached", concerns)}


def test_every_alert_has_a_rule_of_the_same_name_and_a_runbook() -> None:
    rules = (CHECKOUT / "deploy" / "prometheus" / "alerts.yml").read_text()
    for name in _CONDITIONS:
        assert f"alert: {name}\n" in rules, name
        assert (CHECKOUT / "docs" / "runbooks" / f"{name}.md").is_file(), name
