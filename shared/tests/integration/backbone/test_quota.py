"""When parking finds no room: the partition stands still, the others flow, and it goes on by itself once there is room."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared.consuming import quota
from klaster_shared.consuming.office import Wanted
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.quota import Quota
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, Raw, a_record, running
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


async def send_to(producer: AIOKafkaProducer, topic: str, partition: int, *records: Raw) -> None:
    for key, value, headers in records:
        await producer.send_and_wait(topic, key=key, value=value, headers=headers, partition=partition)


def stopped(backbone: Backbone) -> float:
    value: float = backbone.metrics.parked_quota_stopped.labels(consumer=backbone.declaration.name)._value.get()
    return value


async def position(backbone: Backbone, number: int) -> int:
    (found,) = [p.next_offset for _, p in await backbone.office.positions() if p.partition == Partition(backbone.topic, number)]
    return found


async def test_a_full_key_stops_its_partition_and_no_other_until_there_is_room(
    new_backbone: Callable[..., Backbone], topic: str, producer: AIOKafkaProducer
) -> None:
    backbone = new_backbone(topic, quota=Quota(per_key=3))
    full, beside, elsewhere = new_id(), new_id(), new_id()
    async with running(backbone.consumer, backbone.unparker):
        await send_to(producer, topic, 0, *[a_record("refuse" if n == 0 else f"line {n}", full, n + 1) for n in range(6)], a_record("beside", beside))
        await eventually(lambda: stopped(backbone) == 1, within=60, what="the partition to stand still")
        await send_to(producer, topic, 1, a_record("elsewhere", elsewhere), a_record("refuse", new_id()))
        await eventually(lambda: backbone.handled("applied") == 1 and backbone.handled("parked") == 4, within=60, what="the other partition to flow")
        assert await backbone.lines() == [(elsewhere, "elsewhere")]
        assert (await position(backbone, 0), len(await backbone.office.listing(Wanted(key=str(full).encode())))) == (3, 3)
        backbone.ledger.refusing = False
        await backbone.office.retry_all(Wanted(), actor="operator")
        await eventually(lambda: backbone.handled("applied") == 9, within=60, what="everything to be applied")
        await eventually(lambda: stopped(backbone) == 0, within=60, what="the partition to count as flowing")
    assert await backbone.lines(full) == ["refuse", *[f"line {n}" for n in range(1, 6)]]
    assert await backbone.lines(beside) == ["beside"]


async def test_a_full_consumer_stops_every_partition_that_has_something_to_park_and_lets_good_ones_flow(
    new_backbone: Callable[..., Backbone], topic: str, producer: AIOKafkaProducer
) -> None:
    backbone = new_backbone(topic, quota=Quota(per_consumer=2))
    async with running(backbone.consumer, backbone.unparker):
        await send_to(producer, topic, 0, *[a_record("refuse", new_id()) for _ in range(3)])
        await eventually(lambda: stopped(backbone) == 1, within=60, what="the first partition to stand still")
        await send_to(producer, topic, 1, *[a_record("good", new_id()) for _ in range(5)])
        await send_to(producer, topic, 2, a_record("refuse", new_id()), a_record("behind it", new_id()))
        await eventually(lambda: stopped(backbone) == 2, within=60, what="the third one, too")
        await eventually(lambda: backbone.handled("applied") == 5, within=60, what="the second one to flow")
        assert [await position(backbone, number) for number in range(3)] == [2, 5, 0]
        assert len(await backbone.office.listing()) == 2
        await backbone.office.skip_all(Wanted(), actor="operator", reason="agreed")
        await eventually(lambda: backbone.handled("parked") == 4 and backbone.handled("applied") == 6, within=60, what="the rest to go on")
    assert [await position(backbone, number) for number in range(3)] == [3, 5, 2]


async def test_nothing_is_counted_while_nothing_is_parked(backbone: Backbone, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def counted(*_: object, **__: object) -> int:
        raise AssertionError

    monkeypatch.setattr(quota, "_ALL", SimpleNamespace(fetchval=counted))
    async with running(backbone.consumer):
        await send_to(producer, backbone.topic, 0, *[a_record("good", new_id()) for _ in range(20)])
        await eventually(lambda: backbone.handled("applied") == 20, within=60, what="twenty messages")
