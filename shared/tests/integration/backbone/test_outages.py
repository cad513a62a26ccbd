"""The database and the broker go away under load and come back; everything recovers by itself, nothing is lost, order is kept."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from klaster_shared.contracts import topics
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.embedded.engine import Engine, silent
from klaster_shared.embedded.kafka import KafkaServer
from klaster_shared.embedded.ports import free_port
from klaster_shared.embedded.postgres import DatabaseSpec, PostgresAccess, PostgresServer
from klaster_shared.embedded.supervision import Child
from klaster_shared.ids import new_id
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.testing.backbone import Backbone, create_tables, empty_tables, running
from klaster_shared.testing.waiting import eventually

PACE_SECONDS = 0.01
BETWEEN_KILLS_SECONDS = 0.1


class Writers:
    """Commands of a few aggregates, each repeated until it is known to have been committed."""

    def __init__(self, backbone: Backbone, number: int = 4) -> None:
        self.networks = [new_id() for _ in range(number)]
        self.kept: dict[UUID, list[str]] = {network: [] for network in self.networks}
        self._backbone = backbone
        self._stopping = False

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._write(network)) for network in self.networks]
        try:
            yield
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)

    async def _write(self, network: UUID) -> None:
        number = attempt = 0
        while not self._stopping:
            attempt += 1
            name = f"{number:04} in attempt {attempt}"
            try:
                await self._backbone.record(name, network=network, first=number + 1)
            except DATABASE_FAILURES:
                pass
            else:
                self.kept[network].append(name)
                number, attempt = number + 1, 0
            await asyncio.sleep(PACE_SECONDS)

    async def are_heard(self) -> None:
        """Every kept command once and in order. One whose commit nobody heard may have an effect too, in its place."""
        await eventually(self._all_heard, within=40, what="every committed message to be applied")
        lines = await self._lines()
        for network in self.networks:
            assert [name for name in lines[network] if name in set(self.kept[network])] == self.kept[network]
            assert lines[network] == sorted(lines[network])
            assert len(lines[network]) == len(set(lines[network]))

    async def _all_heard(self) -> bool:
        lines = await self._lines()
        return all(set(self.kept[network]) <= set(lines[network]) for network in self.networks)

    async def _lines(self) -> dict[UUID, list[str]]:
        lines: dict[UUID, list[str]] = {network: [] for network in self.networks}
        for network, name in await self._backbone.lines():
            lines[network].append(name)
        return lines


def reroute(monkeypatch: pytest.MonkeyPatch, topic: str) -> None:
    send = KafkaPublisher.send

    async def to_topic(self: KafkaPublisher, _topic: str, *rest: Any) -> Any:
        return await send(self, topic, *rest)

    monkeypatch.setattr(KafkaPublisher, "send", to_topic)


@pytest.mark.engines
async def test_connections_killed_again_and_again_delay_everything_and_lose_nothing(
    backbone: Backbone, postgres_server: PostgresAccess, monkeypatch: pytest.MonkeyPatch, tables: str
) -> None:
    """By the server, wherever the statement in hand happens to be: each of the backbone's waits is hit sooner or later."""
    reroute(monkeypatch, backbone.topic)
    kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = :'database' and pid <> pg_backend_pid();"
    writers = Writers(backbone)
    async with running(backbone.relay, backbone.consumer, backbone.unparker):
        async with writers.at_work():
            deadline = time.monotonic() + 6
            while time.monotonic() < deadline:
                await asyncio.to_thread(partial(postgres_server.execute, kill, database=tables.rpartition("/")[2]))
                await asyncio.sleep(BETWEEN_KILLS_SECONDS)
        await writers.are_heard()
    assert min(map(len, writers.kept.values())) > 5


@dataclass(frozen=True)
class OwnEngines:
    """Engines of this module alone, which its tests may treat as they like."""

    kafka: KafkaServer
    postgres: PostgresServer
    url: str


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="klaster-engine-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
async def engines(folder: Path) -> AsyncIterator[OwnEngines]:
    with PostgresServer(folder, free_port()) as postgres, KafkaServer(folder, free_port()) as kafka:
        spec = DatabaseSpec(database="backbone", role="backbone", password="secret of a test")
        postgres.access.create_database(spec)
        await create_tables(postgres.access.url(spec))
        yield OwnEngines(kafka, postgres, postgres.access.url(spec))
        os.kill(kafka.pid or 0, signal.SIGCONT)


@pytest.fixture
async def own(engines: OwnEngines, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Backbone]:
    topic = unique_name("networks")
    admin = AdminClient({"bootstrap.servers": engines.kafka.servers, "log_level": 0})
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(30)
    del admin  # it would go on looking for a broker that a test has stopped
    reroute(monkeypatch, topic)
    await empty_tables(engines.url)
    backbone = Backbone(engines.url, engines.kafka.servers, topic=topic, name=unique_name("ledger"))
    yield backbone
    await backbone.database.dispose()


async def start_again(engine: Engine) -> None:
    """Without holding up the event loop, in which everybody waits for the engine."""

    async def started() -> bool:
        if engine.poll() is not None:
            engine._child = Child(engine.prepare(silent))
            engine._child.start()
        return await asyncio.to_thread(engine.ready)

    await eventually(started, within=40, what=f"{engine.name} to be back")


async def heard_something(backbone: Backbone) -> None:
    before = backbone.handled("applied")
    await eventually(lambda: backbone.handled("applied") > before + 10, within=40, what="messages to flow")


@pytest.mark.embedded
async def test_engines_that_crash_and_hang_under_load_cost_time_and_no_message(own: Backbone, engines: OwnEngines) -> None:
    writers = Writers(own)
    async with running(own.relay, own.consumer, own.unparker):
        async with writers.at_work():
            await heard_something(own)
            for engine in (engines.kafka, engines.postgres):
                engine.kill()
            for engine in (engines.postgres, engines.kafka):
                await start_again(engine)
            await heard_something(own)
            os.kill(engines.kafka.pid or 0, signal.SIGSTOP)
            kept = len(writers.kept[writers.networks[0]])
            await eventually(lambda: len(writers.kept[writers.networks[0]]) > kept + 10, what="commands to be accepted all the same")
            os.kill(engines.kafka.pid or 0, signal.SIGCONT)
            await heard_something(own)
        await writers.are_heard()
    assert own.consumer.report()["refused"] == {}


@pytest.mark.embedded
async def test_nothing_waits_for_a_broker_that_hangs(own: Backbone, engines: OwnEngines) -> None:
    """Whoever stops a process waits at most ten seconds, and no task of it goes on."""
    before = asyncio.all_tasks()
    async with running(own.relay, own.consumer):
        await own.record("before", network=new_id())
        await eventually(lambda: own.handled("applied") == 1, within=30, what="the first message")
        publisher = KafkaPublisher(engines.kafka.servers, client_id="held")
        await publisher.start()
        await (await publisher.send(topics.PARTNERS_NETWORK, b"k", b"warm", []))
        os.kill(engines.kafka.pid or 0, signal.SIGSTOP)
        waiting = [await publisher.send(topics.PARTNERS_NETWORK, b"k", b"late", []) for _ in range(3)]
        await own.record("kept", network=new_id())
        began = time.monotonic()
        await publisher.hard_close()
        assert time.monotonic() - began < 4
        assert all(future.done() and future.exception() is not None for future in waiting)
        for component in (own.consumer, own.relay):
            began = time.monotonic()
            await component.stop()
            assert time.monotonic() - began < 10
        await eventually(lambda: not asyncio.all_tasks() - before, within=2, what="every task to end")
    assert len(await own.outbox()) == 1
    os.kill(engines.kafka.pid or 0, signal.SIGCONT)
