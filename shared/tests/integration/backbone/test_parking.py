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
from klaster_shared.consuming.office import NotHead, Wanted
from klaster_shared.consuming.parking import State
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.retrying import ROWS
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
    heads = [parked.id for parked in await backbone.office.listing(Wanted(state=State.HELD))]
    return heads if len(heads) == number else []


async def test_while_a_long_queue_drains_messages_of_other_keys_flow_and_its_own_new_ones_wait(
    new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], producer: AIOKafkaProducer
) -> None:
    """All keys lie in one partition. The drain is held in the middle of a message's transaction, for as long as the others take."""
    backbone, hot, others = new_backbone(new_topic("hot")), new_id(), [new_id() for _ in range(20)]
    middle, go_on = asyncio.Event(), asyncio.Event()

    async def hold(name: str) -> None:
        if name == "queued 30":
            middle.set()
            await go_on.wait()

    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, *[a_record("refuse" if n == 0 else f"queued {n}", hot, n + 1) for n in range(60)])
        (head,) = await eventually(lambda: held_heads(backbone, 1), within=60, what="the hot key to be parked")
        await eventually(lambda: backbone.handled("parked") == 60, within=60, what="sixty queued messages")
        backbone.ledger.refusing, backbone.ledger.after = False, hold
        await backbone.office.retry(head, actor="operator")
        await asyncio.wait_for(middle.wait(), 60)
        for n in range(5):
            await send(producer, backbone.topic, a_record(f"new {n}", hot, 61 + n), *[a_record(f"other {n}", key, n + 1) for key in others])
        await eventually(lambda: backbone.handled("applied") == 30 + 100, within=60, what="every message of the other keys, and none of the hot one")
        await eventually(lambda: backbone.handled("parked") == 65, within=60, what="the new ones of the hot key to queue")
        go_on.set()
        await eventually(lambda: nothing_is_parked(backbone), within=60, what="the gate to open")
        await send(producer, backbone.topic, a_record("live again", hot, 66))
        await eventually(lambda: backbone.handled("applied") == 166, within=60, what="the hot key to be live again")
    of_hot = ["refuse", *[f"queued {n}" for n in range(1, 60)], *[f"new {n}" for n in range(5)], "live again"]
    assert await lines_of(backbone, [hot, *others]) == {hot: of_hot} | {key: [f"other {n}" for n in range(5)] for key in others}
    assert backbone.handled("parked") == 65


async def test_a_short_queue_that_is_released_beside_a_long_one_has_its_turn_after_a_bounded_number_of_messages(
    new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], producer: AIOKafkaProducer
) -> None:
    backbone, long, short = new_backbone(new_topic("turns")), new_id(), new_id()
    length = 4 * ROWS
    async with running(backbone.consumer):
        await send(producer, backbone.topic, *[a_record("refuse" if n == 0 else f"line {n}", long, n + 1) for n in range(length)])
        await send(producer, backbone.topic, *[a_record("refuse" if n == 0 else f"line {n}", short, n + 1) for n in range(5)])
        await eventually(lambda: backbone.handled("parked") == length + 5, within=60, what="both queues")
    backbone.ledger.refusing = False
    await backbone.office.retry_all(Wanted(), actor="operator")
    async with running(backbone.unparker):
        await eventually(lambda: nothing_is_parked(backbone), within=60, what="both queues to flow")
    order = [network for network, _ in await backbone.lines()]
    last_of_short = max(place for place, network in enumerate(order) if network == short)
    assert order[:last_of_short].count(long) <= 2 * ROWS
    assert (order.count(long), order.count(short)) == (length, 5)


async def test_a_correction_and_a_retry_of_everything_end_as_a_run_without_poison_does(
    new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], producer: AIOKafkaProducer
) -> None:
    """One message in fifty is poison, some keys twice."""
    backbone, networks = new_backbone(new_topic("corrected", partitions=3)), [new_id() for _ in range(10)]
    sent = [(network, f"{'refuse' if (n * 10 + place) % 50 == 7 else 'line'} {n}") for n in range(30) for place, network in enumerate(networks)]
    poisoned = {network for network, name in sent if name.startswith("refuse")}
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, *[a_record(name, network, place + 1) for place, (network, name) in enumerate(sent)])
        await eventually(
            lambda: backbone.handled("applied") + backbone.handled("parked") == len(sent), within=60, what="everything to be disposed of"
        )
        assert len(await backbone.office.listing(Wanted(state=State.HELD))) == len(poisoned)
        backbone.ledger.refusing = False
        await backbone.office.retry_all(Wanted(reason="not-wanted"), actor="operator", reason="corrected")
        await eventually(lambda: nothing_is_parked(backbone), within=60, what="every queue to flow")
    assert await lines_of(backbone, networks) == {network: [name for each, name in sent if each == network] for network in networks}


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
