"""Two processes of one group: partitions come and go in the middle of a burst, and one of them is not quite dead."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared.embedded.supervision import Child, Program
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, a_record, names, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

PACE_SECONDS = 0.03
"""Between the rounds of a burst: faster than that, the tests measure the machine."""
SHORTEST_SESSION_MS = 6_000
"""What a broker allows at least (group.min.session.timeout.ms)."""


@pytest.fixture
def two(new_backbone: Callable[..., Backbone], topic: str) -> tuple[Backbone, Backbone]:
    one = new_backbone(topic)
    return one, new_backbone(topic, name=one.declaration.name)


def partitions(backbone: Backbone) -> int:
    return int(backbone.consumer.report()["partitions"])


def shared_out(*backbones: Backbone) -> Callable[[], bool]:
    """Every partition has been verified by its new owner."""
    return lambda: all(partitions(b) for b in backbones) and sum(map(partitions, backbones)) == 3


class Burst:
    """Messages of several keys, sent while the group changes; what must have become of them in the end."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, keys: int = 12) -> None:
        self.networks = [new_id() for _ in range(keys)]
        self.sent = 0
        self._producer = producer
        self._topic = topic

    async def during(self, change: Coroutine[Any, Any, Any]) -> None:
        """Sends until the change has happened, and a little on."""
        changing = asyncio.create_task(change)
        while not changing.done():
            await self.round()
            await asyncio.sleep(PACE_SECONDS)
        await changing
        await self.round()

    async def round(self) -> None:
        self.sent += 1
        await send(self._producer, self._topic, *[a_record(f"line {self.sent}", network, self.sent) for network in self.networks])

    async def is_applied(self, backbone: Backbone) -> None:
        lines = await eventually(lambda: self._complete(backbone), within=60, what="every message of the burst")
        assert {network: lines[network] for network in self.networks} == {network: list(names(self.sent)) for network in self.networks}

    async def _complete(self, backbone: Backbone) -> dict[UUID, list[str]]:
        lines: dict[UUID, list[str]] = {network: [] for network in self.networks}
        for network, name in await backbone.lines():
            lines[network].append(name)
        return lines if sum(map(len, lines.values())) >= self.sent * len(self.networks) else {}


async def test_a_process_that_joins_and_one_that_leaves_in_a_burst_lose_and_repeat_nothing(
    two: tuple[Backbone, Backbone], producer: AIOKafkaProducer
) -> None:
    first, second = two
    burst = Burst(producer, first.topic)
    async with running(first.consumer, first.unparker, second.unparker):
        await burst.during(eventually(lambda: partitions(first) == 3, within=40, what="the first process alone"))
        await second.consumer.start()
        await burst.during(eventually(shared_out(first, second), within=60, what="both processes at work"))
        await burst.during(second.consumer.stop())
        await burst.during(eventually(lambda: partitions(first) == 3, within=60, what="the first process alone again"))
        await burst.is_applied(first)
    assert (first.handled("duplicate"), second.handled("duplicate")) == (0, 0)


async def test_the_group_waits_for_the_handler_that_runs(two: tuple[Backbone, Backbone], producer: AIOKafkaProducer) -> None:
    first, second = two
    release, network, order = asyncio.Event(), new_id(), list[str]()

    async def hold(name: str) -> None:
        await asyncio.wait_for(release.wait(), 20)
        order.append(name)

    first.ledger.after = hold
    async with running(first.consumer):
        await eventually(lambda: partitions(first) == 3, within=40, what="the first process alone")
        await send(producer, first.topic, a_record("held", network))
        await eventually(lambda: first.ledger.calls == ["held"], what="the handler to run")
        async with running(second.consumer):
            await eventually(lambda: first.consumer._runner.interrupted, within=40, what="the revoke")
            assert partitions(second) == 0
            release.set()
            await eventually(shared_out(first, second), within=40, what="both processes at work")
            assert order == ["held"]
            await send(producer, first.topic, a_record("next", network, 2))
            await eventually(lambda: first.handled("applied") + second.handled("applied") == 2, within=40, what="the next message")
    assert await first.lines(network) == ["held", "next"]
    assert first.ledger.calls.count("held") + second.ledger.calls.count("held") == 1


async def test_a_process_beyond_the_number_of_partitions_stands_by_and_takes_over(
    new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], producer: AIOKafkaProducer
) -> None:
    first = new_backbone(new_topic("single"))
    second = new_backbone(first.topic, name=first.declaration.name)
    network = new_id()
    async with running(second.consumer):
        async with running(first.consumer):
            await eventually(lambda: partitions(first) + partitions(second) == 1, within=40, what="one of them to have the partition")
            await send(producer, first.topic, a_record("one", network))
            await eventually(lambda: first.handled("applied") + second.handled("applied") == 1, within=40, what="the message")
        await eventually(lambda: partitions(second) == 1, within=40, what="the other to take over")
        await send(producer, first.topic, a_record("two", network, 2))
        await eventually(lambda: first.handled("applied") + second.handled("applied") == 2, within=40, what="the second message")
    assert await first.lines(network) == ["one", "two"]


async def test_a_process_that_stands_still_and_one_that_is_killed_apply_nothing_twice(
    tables: str, kafka_servers: str, new_backbone: Callable[..., Backbone], topic: str, producer: AIOKafkaProducer, tmp_path: Path
) -> None:
    """A real process is stopped for longer than its session in the middle of a burst, wakes up as a zombie, and is killed at last."""
    survivor = new_backbone(topic)
    burst = Burst(producer, topic)
    command = (tables, kafka_servers, topic, survivor.declaration.name, str(SHORTEST_SESSION_MS))
    other = Child(
        Program(
            name="the other process", command=(sys.executable, "-m", "klaster_shared.testing.backbone_process", *command), log=tmp_path / "other.log"
        )
    )
    async with running(survivor.consumer, survivor.unparker):
        await eventually(lambda: partitions(survivor) == 3, within=40, what="the survivor alone")
        other.start()
        try:
            await burst.during(eventually(lambda: 0 < partitions(survivor) < 3, within=60, what="the other process at work"))
            os.kill(other.pid, signal.SIGSTOP)
            await burst.during(eventually(lambda: partitions(survivor) == 3, within=60, what="the survivor to take over"))
            os.kill(other.pid, signal.SIGCONT)
            await burst.during(eventually(lambda: 0 < partitions(survivor) < 3, within=60, what="the zombie to come back as a member"))
        finally:
            other.kill()
        await burst.during(eventually(lambda: partitions(survivor) == 3, within=60, what="the survivor alone again"))
        await burst.is_applied(survivor)
