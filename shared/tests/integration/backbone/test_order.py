"""Order per key, where it is won and where it could be lost: sixteen writers on five aggregates, and a broker that refuses."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka.admin import NewTopic
from sqlalchemy import BigInteger, Column, Table, Uuid, bindparam
from sqlalchemy.dialects.postgresql import insert

from klaster_shared.contracts import topics
from klaster_shared.contracts.envelope import decode
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.db.metadata import new_metadata
from klaster_shared.db.statements import Statement
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.ids import new_id
from klaster_shared.outbox import publisher as publishing
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.testing.backbone import Backbone, an_origin, running
from klaster_shared.testing.log import read_log
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

WRITERS, AGGREGATES = 16, 5

COUNTER = Table("counter", new_metadata(), Column("id", Uuid, primary_key=True), Column("version", BigInteger, nullable=False))
_ADVANCE = Statement(
    insert(COUNTER)
    .values(id=bindparam("key", type_=Uuid), version=1)
    .on_conflict_do_update(index_elements=[COUNTER.c.id], set_={"version": COUNTER.c.version + 1})
    .returning(COUNTER.c.version)
)


class Race:
    """Commands that each advance one of a few aggregates and publish it; which token got which version is kept beside them."""

    def __init__(self, backbone: Backbone, write: Callable[[UnitOfWork, UUID, str], Awaitable[int]]) -> None:
        self.aggregates = [new_id() for _ in range(AGGREGATES)]
        self.versions: dict[str, int] = {}
        self._backbone = backbone
        self._write = write

    async def run(self, messages: int) -> None:
        async with self._backbone.database.connect() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS counter (id uuid PRIMARY KEY, version bigint NOT NULL)")
        await asyncio.gather(*[self._writer(messages // WRITERS) for _ in range(WRITERS)])

    async def _writer(self, messages: int) -> None:
        for _ in range(messages):
            token, aggregate = secrets.token_hex(8), secrets.choice(self.aggregates)
            async with self._backbone.transactions.begin(an_origin()) as work:
                await work.connection.execute("SET LOCAL synchronous_commit = off")
                self.versions[token] = await self._write(work, aggregate, token)

    def judge(self, published: list[tuple[str, str]]) -> tuple[int, int]:
        """(lost, inverted) of what the log holds as (aggregate, token), first occurrences only."""
        orders: dict[str, list[int]] = defaultdict(list)
        for aggregate, token in dict.fromkeys(published):
            if token in self.versions:
                orders[aggregate].append(self.versions[token])
        inverted = sum(later < earlier for order in orders.values() for earlier, later in pairwise(order))
        return len(self.versions) - sum(map(len, orders.values())), inverted


def message(aggregate: UUID, token: str) -> NetworkRegistered:
    return NetworkRegistered(network_id=aggregate, code="X", name=token)


async def aggregate_first(work: UnitOfWork, aggregate: UUID, token: str) -> int:
    """As every service does it: the versioned write, then at the end of the transaction the outbox rows."""
    version: int = await _ADVANCE.fetchval(work.connection, key=aggregate)
    work.publish(message(aggregate, token), sequence=version, happened=work.now)
    return version


async def outbox_first(work: UnitOfWork, aggregate: UUID, token: str) -> int:
    """The mistake: the outbox row takes its id before the aggregate's row is locked."""
    work.publish(message(aggregate, token), sequence=1, happened=work.now)
    await work.write_outbox()
    version: int = await _ADVANCE.fetchval(work.connection, key=aggregate)
    return version


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Backbone:
    topic = new_topic("network", partitions=2)
    reroute(monkeypatch, topic)
    return new_backbone(topic)


def reroute(monkeypatch: pytest.MonkeyPatch, topic: str) -> None:
    """The relay's rows go to the test's own topic: the contract's is shared, and cannot have the limits that a test needs."""
    send = KafkaPublisher.send

    async def to_topic(self: KafkaPublisher, _topic: str, *rest: Any) -> Any:
        return await send(self, topic if _topic == topics.PARTNERS_NETWORK else _topic, *rest)

    monkeypatch.setattr(KafkaPublisher, "send", to_topic)


async def published(servers: str, topic: str) -> list[tuple[str, str]]:
    """(aggregate, name) of every record, partition after partition."""
    records = await asyncio.to_thread(read_log, servers, topic)
    return [
        (record.key().decode(), str(NetworkRegistered.model_validate_json(decode(record.value(), record.headers()).data).name)) for record in records
    ]


async def drained(backbone: Backbone) -> None:
    async def empty() -> bool:
        return not await backbone.outbox()

    await eventually(empty, within=30, what="an empty outbox")


async def test_sixteen_writers_on_five_aggregates_lose_nothing_and_invert_nothing(backbone: Backbone, kafka_servers: str) -> None:
    race = Race(backbone, aggregate_first)
    async with running(backbone.relay):
        await race.run(2000)
        await drained(backbone)
    assert race.judge(await published(kafka_servers, backbone.topic)) == (0, 0)


async def test_the_race_tells_when_outbox_rows_are_written_before_their_aggregate(backbone: Backbone, kafka_servers: str) -> None:
    """The test of the test above: with the order of the two writes reversed it fails, as it must."""
    race = Race(backbone, outbox_first)
    async with running(backbone.relay):
        await race.run(800)
        await drained(backbone)
    lost, inverted = race.judge(await published(kafka_servers, backbone.topic))
    assert lost == 0
    assert inverted > 0


LIMIT = 100_000
"""Of the topic, in bytes: well below what the client lets pass, so that the broker itself refuses."""
TOO_LONG = "x" * 220_000
LONG = "y" * 60_000


@pytest.fixture
def narrow(new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Backbone:
    """One partition that takes no batch over `LIMIT`."""
    topic = new_topic("narrow", config={"max.message.bytes": str(LIMIT)})
    reroute(monkeypatch, topic)
    return new_backbone(topic)


async def only_is_left(backbone: Backbone, *expected: tuple[UUID, bool]) -> None:
    async def left() -> bool:
        return [(UUID(row["key"]), row["dead"]) for row in await backbone.outbox()] == list(expected)

    await eventually(left, within=40, what="the outbox to hold only what cannot be sent")


async def test_nothing_passes_a_record_of_its_key_that_was_refused_with_its_batch(narrow: Backbone, kafka_servers: str) -> None:
    """The first records of a fresh producer: the broker refuses the batch that holds `one`, and would take what comes behind it."""
    innocent, guilty = new_id(), new_id()
    await narrow.record("one", network=innocent)
    await narrow.record(TOO_LONG, network=guilty)
    await narrow.record(LONG, "three", network=innocent, first=2)
    async with running(narrow.relay):
        await only_is_left(narrow, (guilty, True))
    assert await published(kafka_servers, narrow.topic) == [(str(innocent), name) for name in ("one", LONG, "three")]


async def test_a_refusal_by_the_broker_holds_one_key_and_the_partition_flows_on(narrow: Backbone, kafka_servers: str) -> None:
    """A definitive refusal wedges the producer for the whole partition, for ever: the relay has to throw it away."""
    guilty, others = new_id(), [new_id() for _ in range(3)]
    async with running(narrow.relay):
        await narrow.record("warm", network=others[0])
        await drained(narrow)
        await narrow.record(TOO_LONG, "behind it", network=guilty)
        for network in others:
            await narrow.record("first", "second", network=network, first=2)
        await only_is_left(narrow, (guilty, True), (guilty, False))
        await narrow.record("later", network=others[0], first=4)
        await only_is_left(narrow, (guilty, True), (guilty, False))
    log = await published(kafka_servers, narrow.topic)
    assert [name for key, name in log if key == str(others[0])] == ["warm", "first", "second", "later"]
    for network in others[1:]:
        assert [name for key, name in log if key == str(network)] == ["first", "second"]


async def test_a_process_that_starts_again_goes_on_counting_the_refusals_of_a_row(narrow: Backbone) -> None:
    guilty = new_id()
    await narrow.record(TOO_LONG, network=guilty)
    async with narrow.database.connect() as connection:
        await connection.execute("UPDATE outbox SET attempts = 2")
    async with running(narrow.relay):
        await only_is_left(narrow, (guilty, True))
    assert [row["attempts"] for row in await narrow.outbox()] == [3]


async def test_messages_for_a_topic_that_is_not_there_yet_wait_for_it(
    new_backbone: Callable[..., Backbone], kafka_admin: Any, unique_name: Callable[[str], str], kafka_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = unique_name("missing")
    reroute(monkeypatch, topic)
    monkeypatch.setattr(publishing, "AIOKafkaProducer", lambda **options: AIOKafkaProducer(**options | {"request_timeout_ms": 500}))
    backbone, network = new_backbone(topic), new_id()
    async with running(backbone.relay):
        await backbone.record("kept", network=network)
        await eventually(lambda: backbone.relay.report()["trouble"] == "UnknownTopicOrPartitionError", within=40, what="the relay to say why")
        assert [(row["dead"], row["attempts"]) for row in await backbone.outbox()] == [(False, 0)]
        kafka_admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
        await drained(backbone)
    assert await published(kafka_servers, topic) == [(str(network), "kept")]


async def test_a_closed_producer_leaves_no_task_and_no_open_future(kafka_servers: str, topic: str) -> None:
    """Holds the seam: `hard_close` uses private attributes of aiokafka."""
    before = asyncio.all_tasks()
    publisher = KafkaPublisher(kafka_servers, client_id="seam")
    await publisher.start()
    waiting = [await publisher.send(topic, bytes([n]), b"v", []) for n in range(3)]
    await publisher.hard_close(grace=0.01)
    assert [future.done() for future in waiting] == [True] * 3
    await eventually(lambda: not asyncio.all_tasks() - before, within=2, what="every task of the producer to end")
    for future in waiting:
        future.exception()
    with pytest.raises(KafkaError):
        await publisher.send(topic, b"k", b"v", [])
