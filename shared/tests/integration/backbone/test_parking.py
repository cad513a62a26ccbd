"""The queue behind a gate while everybody works on it: the live consumer, two unparkers and two operators."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import NewTopic

from klaster_shared.consuming import gate_queue
from klaster_shared.consuming.office import NotHead
from klaster_shared.consuming.parking import State
from klaster_shared.consuming.positions import Partition
from klaster_shared.errors import NotFound
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, Raw, a_record, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

PACE_SECONDS = 0.005


@pytest.fixture
def two(new_backbone: Callable[..., Backbone], topic: str) -> tuple[Backbone, Backbone]:
    """Two processes of one consumer; the second one only unparks."""
    one = new_backbone(topic)
    return one, new_backbone(topic, name=one.declaration.name)


@asynccontextmanager
async def two_unparkers(two: tuple[Backbone, Backbone]) -> AsyncIterator[None]:
    one, other = two
    async with running(one.consumer, one.unparker, other.unparker):
        yield


def without_key(record: Raw) -> Raw:
    return (None, *record[1:])


async def gates(backbone: Backbone) -> int:
    async with backbone.database.connect() as connection:
        found: int = await connection.fetchval("SELECT count(*) FROM parked_gate")
        return found


async def nothing_is_parked(backbone: Backbone) -> bool:
    return not await backbone.office.listing(limit=1) and not await gates(backbone)


async def lines_of(backbone: Backbone, networks: list[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {network: [] for network in networks}
    for network, name in await backbone.lines():
        found[network].append(name)
    return found


async def test_live_messages_overtake_nothing_while_queues_drain_and_gates_open(two: tuple[Backbone, Backbone], producer: AIOKafkaProducer) -> None:
    one, other = two
    networks = [new_id() for _ in range(3)]
    sent: list[str] = []

    async def send_round(name: str) -> None:
        sent.append(name)
        await send(producer, one.topic, *[a_record(name, network, len(sent)) for network in networks])

    async with two_unparkers(two):
        for turn in range(6):
            office = (one, other)[turn % 2].office
            one.ledger.refusing = other.ledger.refusing = True
            await send_round(f"refuse {turn}")
            for n in range(10):
                await send_round(f"queued {turn}.{n}")
            heads = await eventually(lambda: held_heads(one, 3), within=40, what="three closed gates")
            one.ledger.refusing = other.ledger.refusing = False
            for head in heads:
                await office.retry(head, actor="operator")
            for n in range(30):
                await send_round(f"live {turn}.{n}")
                await asyncio.sleep(PACE_SECONDS)
            await eventually(lambda: nothing_is_parked(one), within=40, what="the gates to open")
        await eventually(lambda: one.handled("applied") + other.handled("applied") == len(sent) * 3, within=40, what="every message")
    assert await lines_of(one, networks) == dict.fromkeys(networks, sent)
    assert other.handled("applied") > 0


async def held_heads(backbone: Backbone, number: int) -> list[int]:
    heads = [parked.id for parked in await backbone.office.listing(state=State.HELD)]
    return heads if len(heads) == number else []


async def test_operators_who_retry_and_skip_at_once_dispose_of_each_message_once(two: tuple[Backbone, Backbone], producer: AIOKafkaProducer) -> None:
    one, _ = two
    networks = [new_id() for _ in range(4)]
    names = ["refuse 0" if n == 0 else f"refuse {n}" if n % 7 == 0 else f"line {n}" for n in range(50)]
    skipped: list[int] = []
    done = asyncio.Event()

    async def operate(backbone: Backbone) -> None:
        while not done.is_set():
            for parked in await backbone.office.listing(limit=20):
                try:
                    if parked.state is State.HELD and random.random() < 0.5:
                        skipped.append((await backbone.office.skip(parked.id, actor="operator", reason="agreed")).id)
                    else:
                        await backbone.office.retry(parked.id, actor="operator")
                except (NotFound, NotHead):
                    continue
            await asyncio.sleep(PACE_SECONDS)

    async with two_unparkers(two):
        operators = [asyncio.create_task(operate(backbone)) for backbone in two for _ in range(2)]
        for n, name in enumerate(names):
            await send(producer, one.topic, *[a_record(name, network, n) for network in networks])
            await asyncio.sleep(PACE_SECONDS)
        wanted = [name for name in names if not name.startswith("refuse")]

        async def everything_is_disposed_of() -> bool:
            return len(await one.lines()) == len(wanted) * len(networks) and await nothing_is_parked(one)

        await eventually(everything_is_disposed_of, within=30, what="every message to be applied or skipped")
        done.set()
        await asyncio.gather(*operators)
    assert await lines_of(one, networks) == dict.fromkeys(networks, wanted)
    assert len(skipped) == (len(names) - len(wanted)) * len(networks)
    assert set(Counter(skipped).values()) == {1}


async def test_a_copy_of_a_parked_message_has_no_second_effect(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    parked, skipped = a_record("refuse one", network), a_record("refuse two", network, 2)
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, parked, parked, skipped)
        await eventually(lambda: backbone.handled("parked") == 3, within=40, what="three parked messages")
        head = (await backbone.office.listing())[0]
        backbone.ledger.refusing = False
        await backbone.office.retry(head.id, actor="operator")
        await eventually(lambda: nothing_is_parked(backbone), within=40, what="an empty queue")
        backbone.ledger.refusing = True
        await send(producer, backbone.topic, parked, skipped)
        await eventually(lambda: backbone.handled("duplicate") == 3, within=40, what="copies to be counted as such")
    assert await backbone.lines(network) == ["refuse one", "refuse two"]


async def test_a_copy_of_a_skipped_message_has_no_effect(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    refused = a_record("refuse", network)
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, refused)
        await eventually(lambda: backbone.handled("parked") == 1, within=40, what="a parked message")
        (head,) = await backbone.office.listing()
        await backbone.office.skip(head.id, actor="operator", reason="agreed")
        await eventually(lambda: nothing_is_parked(backbone), within=40, what="an open gate")
        backbone.ledger.refusing = False
        await send(producer, backbone.topic, refused)
        await eventually(lambda: backbone.handled("duplicate") == 1, within=40, what="the copy to be counted as such")
    assert await backbone.lines(network) == []


async def test_messages_without_a_key_are_parked_without_a_gate_and_have_one_effect(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    refused = without_key(a_record("refuse", network))
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, refused, refused, without_key(a_record("passes it", network, 2)))
        await eventually(lambda: backbone.handled("parked") == 2 and backbone.handled("applied") == 1, within=40, what="two parked, one applied")
        assert await gates(backbone) == 0
        backbone.ledger.refusing = False
        for parked in await backbone.office.listing():
            await backbone.office.retry(parked.id, actor="operator")
        await eventually(lambda: nothing_is_parked(backbone), within=40, what="nothing parked")
    assert await backbone.lines(network) == ["passes it", "refuse"]
    assert backbone.handled("duplicate") == 1


async def test_a_process_that_dies_before_it_settles_a_gate_leaves_it_to_the_next_round(
    backbone: Backbone, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, settle, deaths = new_id(), gate_queue.settle, 0

    async def die_first(*arguments: Any) -> int | None:
        nonlocal deaths
        deaths += 1
        if deaths <= 2:
            raise ConnectionResetError
        return await settle(*arguments)

    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, a_record("refuse", network), a_record("second", network, 2))
        await eventually(lambda: backbone.handled("parked") == 2, within=40, what="two parked messages")
        monkeypatch.setattr(gate_queue, "settle", die_first)
        (head, _) = await backbone.office.listing()
        await backbone.office.skip(head.id, actor="operator", reason="agreed")
        await eventually(lambda: nothing_is_parked(backbone), within=40, what="the gate to open all the same")
    assert deaths > 2
    assert await backbone.lines(network) == ["second"]


async def test_a_message_of_a_topic_created_again_is_parked_beside_the_old_one_with_its_offset(
    new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], producer: AIOKafkaProducer, kafka_admin: Any
) -> None:
    backbone, network = new_backbone(new_topic("again")), new_id()
    async with running(backbone.consumer):
        await send(producer, backbone.topic, a_record("refuse old", network))
        await eventually(lambda: backbone.handled("parked") == 1, within=40, what="a parked message")
    await asyncio.to_thread(kafka_admin.delete_topics([backbone.topic])[backbone.topic].result, 10)

    async def created_again() -> bool:
        future = kafka_admin.create_topics([NewTopic(backbone.topic, 1, 1)])[backbone.topic]
        return (await asyncio.to_thread(future.exception, 10)) is None

    await eventually(created_again, within=40, what="the topic to be created again")
    await backbone.office.reset_position(backbone.declaration.name, Partition(backbone.topic, 0), 0, actor="operator", reason="created again")
    await send(producer, backbone.topic, a_record("refuse new", network, 2))
    async with running(backbone.consumer):
        await eventually(lambda: backbone.handled("parked") == 2, within=40, what="the new message")
    assert [parked.offset for parked in await backbone.office.listing()] == [0, 0]
