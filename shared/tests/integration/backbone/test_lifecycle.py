"""Starting and stopping in every state: no broker, no topic, half joined; stopping is quick and leaves nothing behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka.admin import NewTopic

from klaster_shared.consuming import consumer as consuming
from klaster_shared.consuming.consumer import hard_leave
from klaster_shared.embedded.ports import free_port
from klaster_shared.ids import new_id
from klaster_shared.kafka import TopicIdentities
from klaster_shared.testing.backbone import Backbone, a_record, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


@asynccontextmanager
async def leaving_nothing_behind(within: float = 2.0) -> AsyncIterator[None]:
    """What is started inside is stopped inside; clients that were not closed fail the test as warnings."""
    before = asyncio.all_tasks()
    yield
    await eventually(lambda: not asyncio.all_tasks() - before, within=within, what="every task to end")


async def stopped_within(component: Any, seconds: float) -> None:
    began = time.monotonic()
    await component.stop()
    assert time.monotonic() - began < seconds


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05, 0.1, 0.3])
async def test_a_consumer_can_be_stopped_at_any_moment_of_its_start(backbone: Backbone, seconds: float) -> None:
    async with leaving_nothing_behind():
        await backbone.consumer.start()
        await asyncio.sleep(seconds)  # where the start is by then is of no importance
        await stopped_within(backbone.consumer, 5)


async def test_a_consumer_without_a_broker_says_so_and_stops_at_once(new_backbone: Callable[..., Backbone]) -> None:
    backbone = new_backbone("anything", servers=f"127.0.0.1:{free_port()}")
    async with leaving_nothing_behind():
        await backbone.consumer.start()
        await eventually(lambda: backbone.consumer.report()["trouble"] == "KafkaConnectionError", what="the consumer to say why")
        assert not backbone.consumer.report()["ok"]
        await stopped_within(backbone.consumer, 2)


async def test_a_consumer_given_nonsense_for_an_address_says_so_and_tries_again(
    new_backbone: Callable[..., Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "START_BACKOFF_SECONDS", (0.01, 0.01))
    backbone = new_backbone("anything", servers="no-port:at-all")
    async with running(backbone.consumer):
        await eventually(lambda: backbone.consumer.report()["trouble"] not in {None, "not started"}, what="the consumer to say why")
        assert not backbone.consumer._tasks[0].done()


async def test_a_consumer_waits_for_a_topic_that_is_not_there_yet(
    new_backbone: Callable[..., Backbone], unique_name: Callable[[str], str], kafka_admin: Any, producer: AIOKafkaProducer
) -> None:
    backbone, network = new_backbone(unique_name("missing")), new_id()
    async with leaving_nothing_behind(), running(backbone.consumer):
        await asyncio.sleep(0.3)  # it has asked for the topic by now
        kafka_admin.create_topics([NewTopic(backbone.topic, 1, 1)])[backbone.topic].result(30)
        await send(producer, backbone.topic, a_record("first", network))
        await eventually(lambda: backbone.handled("applied") == 1, within=40, what="the first message")


async def test_a_consumer_that_was_stopped_reports_no_partition(backbone: Backbone) -> None:
    async with running(backbone.consumer):
        await eventually(lambda: backbone.consumer.report()["partitions"] == 3, within=40, what="its partitions")
    assert backbone.consumer.report()["partitions"] == 0


async def test_a_handler_that_does_not_end_delays_a_stop_but_does_not_prevent_it(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()

    async def hang(_name: str) -> None:
        await asyncio.sleep(3600)

    backbone.ledger.after = hang
    async with leaving_nothing_behind():
        await backbone.consumer.start()
        await send(producer, backbone.topic, a_record("held", network))
        await eventually(lambda: backbone.ledger.calls == ["held"], within=40, what="the handler to run")
        await stopped_within(backbone.consumer, 10)
    backbone.ledger.after = None
    async with running(backbone.consumer):
        await eventually(lambda: backbone.handled("applied") == 1, within=40, what="the message to be handled after all")
    assert await backbone.lines(network) == ["held"]


async def test_a_client_is_ended_for_good_when_its_own_stop_does_not(kafka_servers: str, topic: str, unique_name: Callable[[str], str]) -> None:
    """Holds the seam: `hard_leave` uses private attributes of aiokafka."""
    async with leaving_nothing_behind():
        client = AIOKafkaConsumer(topic, bootstrap_servers=kafka_servers, group_id=unique_name("group"))
        await client.start()
        client._closed = True  # as a stop() leaves it that was cancelled on its way
        await hard_leave(client)


async def test_identities_are_those_of_the_topics_that_exist(kafka_servers: str, topic: str, unique_name: Callable[[str], str]) -> None:
    found = await TopicIdentities(kafka_servers).of([topic, unique_name("missing")])
    assert set(found) == {topic}
