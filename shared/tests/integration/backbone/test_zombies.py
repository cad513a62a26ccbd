"""A process that has lost its partitions and does not know: whatever it still holds or begins, each effect happens once and in order."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from klaster_shared.consuming import consumer as consuming
from klaster_shared.consuming import rebalance
from klaster_shared.consuming.rebalance import member_of
from klaster_shared.embedded.supervision import Child, Program
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, a_record, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

PARTITIONS = 3
SHORTEST_SESSION_MS = 6_000
"""What a broker allows at least (group.min.session.timeout.ms)."""


@pytest.fixture
def networks() -> list[UUID]:
    """One for each partition, in the order of the partitions."""
    found: dict[int, UUID] = {}
    while len(found) < PARTITIONS:
        network = new_id()
        found[DefaultPartitioner()(str(network).encode(), list(range(PARTITIONS)), list(range(PARTITIONS)))] = network
    return [found[number] for number in range(PARTITIONS)]


@pytest.fixture
def survivor(new_backbone: Callable[..., Backbone], topic: str) -> Backbone:
    return new_backbone(topic)


class Zombie:
    """A process of the survivor's group that stands in the middle of a transaction and can be stopped where it stands."""

    def __init__(self, child: Child, held: Path) -> None:
        self._child = child
        self._held = held

    async def is_in_its_transaction(self) -> None:
        await eventually(self._held.exists, within=60, what="the handler of the other process to run")

    def falls_asleep(self) -> None:
        os.kill(self._child.pid, signal.SIGSTOP)

    def wakes_up(self) -> None:
        self._held.unlink()
        os.kill(self._child.pid, signal.SIGCONT)


@asynccontextmanager
async def a_zombie(survivor: Backbone, tables: str, servers: str, folder: Path) -> AsyncIterator[Zombie]:
    held = folder / "held"
    arguments = (tables, servers, survivor.topic, survivor.declaration.name, str(SHORTEST_SESSION_MS), str(held))
    command = (sys.executable, "-m", "klaster_shared.testing.backbone_process", *arguments)
    child = Child(Program(name="the other process", command=command, log=folder / "other.log"))
    child.start()
    try:
        yield Zombie(child, held)
    finally:
        child.kill()


def partitions(backbone: Backbone) -> int:
    return int(backbone.consumer.report()["partitions"])


def paused(backbone: Backbone) -> dict[str, str]:
    found: dict[str, str] = backbone.consumer.report()["paused"]
    return found


async def parked(backbone: Backbone) -> int:
    async with backbone.database.connect() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM parked_message"))


async def has(backbone: Backbone, network: UUID, *names: str) -> None:
    async def complete() -> bool:
        return len(await backbone.lines(network)) >= len(names)

    await eventually(complete, within=60, what=f"{len(names)} lines")
    assert await backbone.lines(network) == list(names)


async def test_a_zombie_that_holds_its_transaction_open_delays_its_partition_alone_and_has_its_effect_once(
    survivor: Backbone, networks: list[UUID], tables: str, kafka_servers: str, producer: AIOKafkaProducer, tmp_path: Path
) -> None:
    held, free, _ = networks
    async with a_zombie(survivor, tables, kafka_servers, tmp_path) as zombie:
        await send(producer, survivor.topic, a_record("hold", held), a_record("next", held, 2))
        await zombie.is_in_its_transaction()
        zombie.falls_asleep()
        async with running(survivor.consumer, survivor.unparker):
            await eventually(lambda: partitions(survivor) == PARTITIONS, within=60, what="the survivor to take over")
            await eventually(lambda: list(paused(survivor)) == [f"{survivor.topic}/0"], within=60, what="the held partition to wait")
            await send(producer, survivor.topic, a_record("flows on", free))
            await has(survivor, free, "flows on")
            assert await survivor.lines(held) == []
            zombie.wakes_up()
            await has(survivor, held, "hold", "next")
            await send(producer, survivor.topic, a_record("last", held, 3))
            await has(survivor, held, "hold", "next", "last")
            await eventually(lambda: not paused(survivor), within=60, what="the partition to go on")
    assert await parked(survivor) == 0


async def test_a_zombie_whose_transaction_was_ended_for_it_is_refused_when_it_tries_again(
    survivor: Backbone, networks: list[UUID], tables: str, kafka_servers: str, producer: AIOKafkaProducer, tmp_path: Path
) -> None:
    """PostgreSQL ends a transaction that stands still for a minute; here it is told to do so at once."""
    held = networks[0]
    async with a_zombie(survivor, tables, kafka_servers, tmp_path) as zombie:
        await send(producer, survivor.topic, a_record("hold", held), a_record("next", held, 2))
        await zombie.is_in_its_transaction()
        zombie.falls_asleep()
        async with running(survivor.consumer, survivor.unparker):
            await eventually(lambda: paused(survivor), within=60, what="the survivor to wait for the zombie's transaction")
            async with survivor.database.connect() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
                )
            await has(survivor, held, "hold", "next")
            zombie.wakes_up()
            await eventually(lambda: partitions(survivor) < PARTITIONS, within=60, what="the zombie to come back as a member")
            await send(producer, survivor.topic, *[a_record("last", network, 3) for network in networks])
            await has(survivor, held, "hold", "next", "last")
            for network in networks[1:]:
                await has(survivor, network, "last")
    assert await parked(survivor) == 0


async def test_a_process_that_was_put_out_for_not_polling_applies_nothing_of_what_it_had_in_hand(
    new_backbone: Callable[..., Backbone], survivor: Backbone, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, network, began, release = new_backbone(survivor.topic, name=survivor.declaration.name), new_id(), asyncio.Event(), asyncio.Event()
    apply = slow.consumer._runner._chunks.apply

    async def much_later(*args: Any, **kwargs: Any) -> Any:
        began.set()
        await release.wait()
        return await apply(*args, **kwargs)

    monkeypatch.setattr(slow.consumer._runner._chunks, "apply", much_later)
    monkeypatch.setattr(consuming, "MAX_POLL_MS", 1000)
    async with running(slow.consumer):
        await eventually(lambda: partitions(slow) == PARTITIONS, within=60, what="the slow process alone")
        await send(producer, slow.topic, a_record("one", network), a_record("two", network, 2))
        await asyncio.wait_for(began.wait(), 60)
        await eventually(lambda: member_of(slow.consumer._kafka()) is None, within=60, what="the slow process to be put out of its group")
        monkeypatch.setattr(consuming, "MAX_POLL_MS", 300_000)
        async with running(survivor.consumer):
            await has(survivor, network, "one", "two")
            release.set()
            await eventually(slow.consumer._runner.idle.is_set, within=60, what="the slow process to try")
            assert await survivor.lines(network) == ["one", "two"]
    assert slow.ledger.calls == []


async def test_a_batch_that_outlives_the_revoke_holds_its_partitions_until_it_ends_and_is_applied_once(
    new_backbone: Callable[..., Backbone], survivor: Backbone, networks: list[UUID], producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group moves on after the bound; the locked positions do not."""
    monkeypatch.setattr(rebalance, "IN_HAND_SECONDS", 0.2)
    slow, release = new_backbone(survivor.topic, name=survivor.declaration.name), asyncio.Event()

    async def hold(name: str) -> None:
        if name == "hold":
            await asyncio.wait_for(release.wait(), 120)

    async def all_are_locked() -> bool:
        async with survivor.database.connect() as connection:
            free = await connection.fetch("SELECT 1 FROM consumer_position FOR UPDATE SKIP LOCKED")
            return not free and await connection.fetchval("SELECT count(*) FROM consumer_position") == PARTITIONS

    slow.ledger.after = hold
    await send(producer, survivor.topic, *[a_record("hold", network) for network in networks])  # there before anybody reads: one fetch
    async with running(slow.consumer):
        await eventually(all_are_locked, within=60, what="the transaction over all partitions")
        async with running(survivor.consumer):
            await send(producer, survivor.topic, *[a_record("next", network, 2) for network in networks])
            await eventually(lambda: 0 < partitions(survivor) == len(paused(survivor)), within=60, what="the survivor to wait for its partitions")
            assert survivor.ledger.calls == []
            release.set()
            for network in networks:
                await has(survivor, network, "hold", "next")
            await eventually(lambda: not paused(survivor) and not paused(slow), within=60, what="every partition to go on")
    assert await parked(survivor) == 0
