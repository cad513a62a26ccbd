from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from klaster_local.topics import Plan, apply, look, plan
from klaster_shared.contracts.topics import Topic
from klaster_shared.testing.waiting import wait_until

pytestmark = pytest.mark.engines


@pytest.fixture
def topic(unique_name: Any) -> Topic:
    return Topic(name=f"klaster.{unique_name('topics')}.thing.v1", owner="events", key="thing", partitions=3)


def planned_for(topic: Topic, admin: Any) -> Plan:
    """Without what other suites left on the shared broker."""
    return plan([topic], {name: there for name, there in look(admin).items() if name == topic.name}, replication_factor=1)


def set_by_hand(admin: Any, topic: Topic, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[entry])
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(10)


def test_applying_creates_what_is_missing_as_declared(topic: Topic, kafka_admin: Any) -> None:
    applied = apply(planned_for(topic, kafka_admin), kafka_admin)
    assert (applied.created, applied.altered, applied.failures) == ((topic.name,), (), ())
    there = look(kafka_admin)[topic.name]
    assert (there.partitions, there.replicas) == (3, 1)
    assert there.settings == {"cleanup.policy": "delete", "min.insync.replicas": "1", "retention.bytes": "-1", "retention.ms": "-1"}


def test_after_applying_there_is_no_drift(topic: Topic, kafka_admin: Any) -> None:
    apply(planned_for(topic, kafka_admin), kafka_admin)
    assert not planned_for(topic, kafka_admin).is_drift


def test_applying_the_same_plan_twice_is_harmless(topic: Topic, kafka_admin: Any) -> None:
    planned = planned_for(topic, kafka_admin)
    apply(planned, kafka_admin)
    assert apply(planned, kafka_admin).failures == ()


def test_a_setting_changed_by_hand_is_drift_and_mended_without_touching_others(topic: Topic, kafka_admin: Any) -> None:
    apply(planned_for(topic, kafka_admin), kafka_admin)
    set_by_hand(kafka_admin, topic, "retention.ms", "60000")
    set_by_hand(kafka_admin, topic, "segment.ms", "7200000")
    wait_until(lambda: planned_for(topic, kafka_admin).alterations, what="the change to show")
    planned = planned_for(topic, kafka_admin)
    applied = apply(planned, kafka_admin)
    assert (applied.altered, applied.failures) == ((topic.name,), ())
    described = kafka_admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic.name)])
    (settings,) = (answer.result(10) for answer in described.values())
    assert (settings["retention.ms"].value, settings["segment.ms"].value) == ("-1", "7200000")


def test_another_partition_count_is_left_alone(topic: Topic, kafka_admin: Any) -> None:
    apply(planned_for(topic, kafka_admin), kafka_admin)
    for answer in kafka_admin.create_partitions([NewPartitions(topic.name, 4)]).values():
        answer.result(10)
    wait_until(lambda: planned_for(topic, kafka_admin).refusals, what="the partition to show")
    planned = planned_for(topic, kafka_admin)
    assert "4 partitions instead of 3" in planned.refusals[0].reason
    apply(planned, kafka_admin)
    assert look(kafka_admin)[topic.name].partitions == 4


def test_a_topic_that_nobody_declared_is_reported_and_kept(topic: Topic, kafka_admin: Any) -> None:
    apply(planned_for(topic, kafka_admin), kafka_admin)
    planned = plan([], look(kafka_admin), replication_factor=1)
    assert topic.name in planned.unknown
    apply(planned, kafka_admin)
    assert topic.name in look(kafka_admin)


def test_what_the_broker_refuses_is_reported_and_does_not_hold_up_the_rest(topic: Topic, kafka_admin: Any, unique_name: Any) -> None:
    impossible = replace(topic, name=f"klaster.{unique_name('topics')}.thing.v1", retention_ms=-7)
    applied = apply(plan([impossible, topic], {}, replication_factor=1), kafka_admin)
    assert applied.created == (topic.name,)
    (failure,) = applied.failures
    assert failure.topic == impossible.name
    assert "retention.ms" in failure.reason
