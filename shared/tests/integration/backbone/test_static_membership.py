"""Members with a name that stays (KLASTER_INSTANCE_ID): a restart disturbs nobody, and of two with one name only one works."""

from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared.consuming import consumer as consuming
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.rebalance import member_of
from klaster_shared.ids import new_id
from klaster_shared.kafka import Cluster
from klaster_shared.testing.backbone import Backbone, a_record, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

SHORTEST_SESSION_MS = 6_000
"""What a broker allows at least (group.min.session.timeout.ms)."""


def assigned(backbone: Backbone) -> set[Partition]:
    return set(backbone.consumer._runner.standings)


def shown(backbone: Backbone, name: str) -> float:
    return backbone.metrics.registry.get_sample_value(name, {"consumer": backbone.declaration.name}) or 0.0


def assignments(backbone: Backbone) -> float:
    return shown(backbone, "klaster_consumer_rebalances_total")


async def test_a_process_that_comes_back_within_its_session_has_its_partitions_again_and_disturbs_nobody(
    new_backbone: Callable[..., Backbone], topic: str, producer: AIOKafkaProducer
) -> None:
    staying = new_backbone(topic, instance="one")
    leaving = new_backbone(topic, name=staying.declaration.name, instance="two")
    back = new_backbone(topic, name=staying.declaration.name, instance="two")
    async with running(staying.consumer):
        async with running(leaving.consumer):
            await eventually(
                lambda: assigned(staying) and assigned(leaving) and len(assigned(staying) | assigned(leaving)) == 3,
                within=60,
                what="both at work",
            )
            before, times = (assigned(staying), assigned(leaving)), assignments(staying)
        networks = [new_id() for _ in range(12)]
        await send(producer, topic, *[a_record("while it was away", network) for network in networks])
        async with running(back.consumer):
            await eventually(lambda: staying.handled("applied") + back.handled("applied") == len(networks), within=60, what="every message")
            assert (assigned(staying), assigned(back)) == before
            assert (assignments(staying), assignments(back)) == (times, 1)


async def test_of_two_processes_under_one_name_the_older_one_stands_aside_says_so_and_returns_when_it_is_free(
    new_backbone: Callable[..., Backbone], topic: str, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "SESSION_MS", SHORTEST_SESSION_MS)
    monkeypatch.setattr(consuming, "NAMESAKE_SECONDS", 0.2)
    older = new_backbone(topic, instance="same")
    newer = new_backbone(topic, name=older.declaration.name, instance="same")
    network = new_id()
    async with running(older.consumer):
        await eventually(lambda: len(assigned(older)) == 3, within=60, what="the older one at work")
        async with running(newer.consumer):
            await eventually(lambda: older.consumer._kafka() is None, within=60, what="the older one to stand aside")
            report = older.consumer.report()
            assert (report["ok"], report["partitions"], shown(older, "klaster_consumer_fenced")) == (False, 0, 1)
            assert f"same.{older.declaration.name}" in report["trouble"]
            await send(producer, topic, a_record("for the newer one", network))
            await eventually(lambda: newer.handled("applied") == 1, within=60, what="the message")
            assert (assignments(older), assignments(newer)) == (1, 1)
        await eventually(lambda: len(assigned(older)) == 3, within=60, what="the older one to return when the session of the other has ended")
        assert (older.consumer.report()["ok"], shown(older, "klaster_consumer_fenced")) == (True, 0)
        await send(producer, topic, a_record("for the older one", network, 2))
        await eventually(lambda: older.handled("applied") == 1, within=60, what="the next message")
    assert await older.lines(network) == ["for the newer one", "for the older one"]


async def test_a_group_knows_who_works_under_a_name(new_backbone: Callable[..., Backbone], topic: str, kafka_servers: str) -> None:
    backbone, cluster = new_backbone(topic, instance="one"), Cluster(kafka_servers)
    group = backbone.declaration.name
    assert await cluster.member_under(group, f"one.{group}") is None
    async with running(backbone.consumer):
        await eventually(lambda: len(assigned(backbone)) == 3, within=60, what="its partitions")
        assert await cluster.member_under(group, f"one.{group}") == member_of(backbone.consumer._kafka())
        assert await cluster.member_under(group, f"two.{group}") is None


async def test_a_member_that_was_only_late_for_a_new_generation_does_not_take_itself_for_another_process(
    new_backbone: Callable[..., Backbone], topic: str, producer: AIOKafkaProducer
) -> None:
    backbone = new_backbone(topic, instance="one")
    async with running(backbone.consumer):
        await eventually(lambda: len(assigned(backbone)) == 3, within=60, what="its partitions")
        backbone.consumer._kafka()._coordinator.reset_generation()  # what the client does when its generation is not the current one
        await eventually(lambda: assignments(backbone) == 2 and len(assigned(backbone)) == 3, within=60, what="its partitions again")
        await send(producer, topic, a_record("after", new_id()))
        await eventually(lambda: backbone.handled("applied") == 1, within=60, what="the message")
    assert shown(backbone, "klaster_consumer_fenced") == 0
