"""The log changes under a consumer's feet: cut, deleted, created again. What does not fit is refused, and a reset is the way out."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewTopic

from klaster_shared.consuming import consumer as consuming
from klaster_shared.consuming.positions import Partition
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, a_record, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone], new_topic: Callable[..., str]) -> Backbone:
    """One partition, so that the test knows where everything is."""
    return new_backbone(new_topic("log"))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "RESETS_SECONDS", 0.1)


def verified(backbone: Backbone) -> Callable[[], bool]:
    return lambda: backbone.consumer.report()["partitions"] == 1


def refused(backbone: Backbone) -> Callable[[], str]:
    return lambda: "".join(backbone.consumer.report()["refused"].values())


async def applied(backbone: Backbone, number: int) -> None:
    await eventually(lambda: backbone.handled("applied") == number, within=40, what=f"{number} applied messages")


async def reset(backbone: Backbone, to: int) -> None:
    place = Partition(backbone.topic, 0)
    await backbone.office.reset_position(backbone.declaration.name, place, to, actor="operator", reason="agreed with the owner of the topic")


async def cut(admin: Any, topic: str, before: int) -> None:
    """Deletes the records before an offset, as retention does."""
    place = TopicPartition(topic, 0, before)
    await asyncio.to_thread(admin.delete_records([place])[place].result, 10)


async def create_again(admin: Any, topic: str) -> None:
    await asyncio.to_thread(admin.delete_topics([topic])[topic].result, 10)

    async def created() -> bool:
        future = admin.create_topics([NewTopic(topic, 1, 1)])[topic]
        return (await asyncio.to_thread(future.exception, 10)) is None

    await eventually(created, within=40, what="the topic to be created again")


async def numbered(producer: AIOKafkaProducer, backbone: Backbone, network: Any, first: int, last: int) -> None:
    await send(producer, backbone.topic, *[a_record(f"line {n}", network, n) for n in range(first, last + 1)])


async def test_a_log_cut_while_the_consumer_was_away_is_refused_until_a_reset(
    backbone: Backbone, producer: AIOKafkaProducer, kafka_admin: Any
) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 2)
        await applied(backbone, 2)
    await numbered(producer, backbone, network, 3, 6)
    await cut(kafka_admin, backbone.topic, 4)
    async with running(backbone.consumer):
        assert "starts at 4" in await eventually(refused(backbone), within=40)
        await reset(backbone, 4)
        await applied(backbone, 4)
    assert await backbone.lines(network) == ["line 1", "line 2", "line 5", "line 6"]


async def test_a_log_cut_before_a_running_consumer_is_refused_until_a_reset(backbone: Backbone, producer: AIOKafkaProducer, kafka_admin: Any) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 6)
        await applied(backbone, 6)
        await cut(kafka_admin, backbone.topic, 4)
        async with backbone.database.connect() as connection:
            await connection.execute("UPDATE consumer_position SET next_offset = 1")
        await numbered(producer, backbone, network, 7, 7)  # finds the position moved, and the client cannot be put there
        assert "starts at 4" in await eventually(refused(backbone), within=40, what="the refusal")
        await reset(backbone, 4)
        await applied(backbone, 7)
    assert await backbone.lines(network) == [f"line {n}" for n in range(1, 8)]


async def test_a_topic_created_again_while_the_consumer_was_away_is_refused_until_a_reset(
    backbone: Backbone, producer: AIOKafkaProducer, kafka_admin: Any
) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 2)
        await applied(backbone, 2)
    await create_again(kafka_admin, backbone.topic)
    await numbered(producer, backbone, network, 3, 8)  # past the stored position: no offset tells
    async with running(backbone.consumer):
        assert "created again" in await eventually(refused(backbone), within=40)
        await reset(backbone, 0)
        await applied(backbone, 8)
    assert await backbone.lines(network) == [f"line {n}" for n in range(1, 9)]


async def test_a_topic_created_again_under_a_running_consumer_is_noticed_by_its_identity(
    backbone: Backbone, producer: AIOKafkaProducer, kafka_admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "IDENTITY_SECONDS", 0.2)
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 1)
        await applied(backbone, 1)
        await create_again(kafka_admin, backbone.topic)
        assert "created again" in await eventually(refused(backbone), within=40)
        await reset(backbone, 0)
        await numbered(producer, backbone, network, 2, 3)
        await applied(backbone, 3)
    assert await backbone.lines(network) == ["line 1", "line 2", "line 3"]


async def test_a_shorter_log_under_a_running_consumer_is_noticed_without_waiting_for_the_minute(
    backbone: Backbone, producer: AIOKafkaProducer, kafka_admin: Any
) -> None:
    """By a new assignment, or because the client is thrown back to the start of the new log."""
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 5)
        await applied(backbone, 5)
        await create_again(kafka_admin, backbone.topic)
        await numbered(producer, backbone, network, 6, 7)
        await eventually(refused(backbone), within=40, what="the refusal")
        await reset(backbone, 0)
        await applied(backbone, 7)
    assert await backbone.lines(network) == [f"line {n}" for n in range(1, 8)]


async def test_records_deleted_before_a_running_consumer_has_read_them_refuse_the_partition(
    backbone: Backbone, producer: AIOKafkaProducer, kafka_admin: Any
) -> None:
    """The client says nothing: it goes on at the first record there is."""
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 2)
        await applied(backbone, 2)
        client = backbone.consumer._kafka()
        client.pause(*client.assignment())  # it reads slowly
        await eventually(lambda: not client._fetcher._in_flight, what="the end of the fetch that was under way")
        await numbered(producer, backbone, network, 3, 6)
        await cut(kafka_admin, backbone.topic, 4)
        client.resume(*client.assignment())
        assert "starts at 4" in await eventually(refused(backbone), within=40, what="the refusal")
        assert await backbone.lines(network) == ["line 1", "line 2"]
        await reset(backbone, 4)
        await applied(backbone, 4)
    assert await backbone.lines(network) == ["line 1", "line 2", "line 5", "line 6"]


async def test_a_longer_log_under_a_running_consumer_is_refused_whatever_it_holds_at_the_position(
    backbone: Backbone, producer: AIOKafkaProducer, kafka_admin: Any
) -> None:
    """No offset tells: the new log has a record where the old one ended. Its identity does: at the rebalance that a
    deletion brings with it, or within the minute.
    """
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 2)
        await applied(backbone, 2)
        await create_again(kafka_admin, backbone.topic)
        await numbered(producer, backbone, network, 3, 8)
        assert "created again" in await eventually(refused(backbone), within=90, what="the refusal")
        await reset(backbone, 0)
        await applied(backbone, 8)
    assert sorted(await backbone.lines(network)) == [f"line {n}" for n in range(1, 9)]


async def test_a_refused_partition_stays_refused_though_its_log_grows_past_the_position(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 2)
        await applied(backbone, 2)
    async with backbone.database.connect() as connection:
        await connection.execute("UPDATE consumer_position SET next_offset = 4")
    async with running(backbone.consumer):
        assert "ends at 2" in await eventually(refused(backbone), within=40)
        await numbered(producer, backbone, network, 3, 8)
        await asyncio.sleep(1)  # ten looks for a reset: none of them may take the growth for one
        assert refused(backbone)()
        await reset(backbone, 2)
        await applied(backbone, 8)
    assert await backbone.lines(network) == [f"line {n}" for n in range(1, 9)]


async def test_a_reset_of_a_quiet_partition_takes_effect_without_a_new_message(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await numbered(producer, backbone, network, 1, 3)
        await applied(backbone, 3)
        await reset(backbone, 0)
        await eventually(lambda: backbone.handled("duplicate") == 3, within=40, what="the messages to come again, as duplicates")
        await numbered(producer, backbone, network, 4, 4)
        await applied(backbone, 4)
    assert await backbone.lines(network) == ["line 1", "line 2", "line 3", "line 4"]
