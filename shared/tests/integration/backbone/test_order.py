"""Order per key, where it is won and where it could be lost: sixteen writers on five aggregates, and a broker that refuses.

The race is won by the order of two writes. With that order reversed it is lost, and not by chance: the writers then go in lock step,
everyone's outbox row first, everyone's aggregate after that, the last to have taken an id first.
"""

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka.admin import NewTopic
from sqlalchemy import BigInteger, Column, Table, Uuid, bindparam
from sqlalchemy.dialects.postgresql import insert

from klaster_shared.clock import SystemClock
from klaster_shared.contracts import topics
from klaster_shared.contracts.envelope import decode
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.db.engine import Database
from klaster_shared.db.metadata import new_metadata
from klaster_shared.db.statements import Statement
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.ids import new_id
from klaster_shared.outbox import floor
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

type Step = Callable[[UnitOfWork, UUID, str], Awaitable[None]]


class Race:
    """Commands that each advance one of a few aggregates and publish it; which token got which version is kept beside them."""

    def __init__(self, database: Database, wake: Callable[[], None]) -> None:
        self.aggregates = [new_id() for _ in range(AGGREGATES)]
        self.versions: dict[str, tuple[str, int]] = {}
        self._database = database
        self._transactions = Transactions(database, UnitOfWork, clock=SystemClock(), wake=wake)

    async def run(self, messages: int) -> None:
        """As every service does it: the versioned write, then at the end of the transaction the outbox rows."""
        await self._prepare()
        await asyncio.gather(*[self._writer(messages // WRITERS) for _ in range(WRITERS)])

    async def _prepare(self) -> None:
        async with self._database.connect() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS counter (id uuid PRIMARY KEY, version bigint NOT NULL)")

    async def _writer(self, messages: int) -> None:
        for _ in range(messages):
            token, aggregate = secrets.token_hex(8), secrets.choice(self.aggregates)
            async with self._transactions.begin(an_origin()) as work:
                await work.connection.execute("SET LOCAL synchronous_commit = off")
                version: int = await _ADVANCE.fetchval(work.connection, key=aggregate)
                work.publish(message(aggregate, token), sequence=version, happened=work.now)
            self.versions[token] = str(aggregate), version

    async def run_in_lock_step(self, before: Step, after: Step) -> None:
        """One command of each writer: all have done `before` when the first of them advances its aggregate and does `after`; the last
        one goes first.
        """
        await self._prepare()
        async with AsyncExitStack() as open_ones:
            works = [await open_ones.enter_async_context(self._transactions.begin(an_origin())) for _ in range(WRITERS)]
            tokens = [secrets.token_hex(8) for _ in works]
            for n, work in enumerate(works):
                await before(work, self.aggregates[n % AGGREGATES], tokens[n])
            for n, work in reversed(list(enumerate(works))):
                aggregate = self.aggregates[n % AGGREGATES]
                version: int = await _ADVANCE.fetchval(work.connection, key=aggregate)
                self.versions[tokens[n]] = str(aggregate), version
                await after(work, aggregate, tokens[n])
                await work.connection.execute("COMMIT")
                await work.connection.execute("BEGIN")  # the unit of work ends what it finds open

    def judge(self, published: list[tuple[str, str]]) -> Counter[str]:
        """How much was lost, inverted, and left out of the numbering, of what the log holds as (aggregate, token); first occurrences only."""
        orders: dict[str, list[int]] = defaultdict(list)
        for _, token in dict.fromkeys(published):
            aggregate, version = self.versions.get(token, (None, 0))
            if aggregate is not None:
                orders[aggregate].append(version)
        found = Counter(lost=len(self.versions) - sum(map(len, orders.values())))
        found["inverted"] = sum(later < earlier for order in orders.values() for earlier, later in pairwise(order))
        found["gaps"] = sum(max(order) - len(order) for order in orders.values())
        return found


def message(aggregate: UUID, token: str) -> NetworkRegistered:
    return NetworkRegistered(network_id=aggregate, code="X", name=token)


async def nothing(work: UnitOfWork, aggregate: UUID, token: str) -> None: ...


async def outbox_row(work: UnitOfWork, aggregate: UUID, token: str) -> None:
    work.publish(message(aggregate, token), sequence=1, happened=work.now)
    await work.write_outbox()


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


@pytest.fixture
async def race(backbone: Backbone, tables: str) -> AsyncIterator[Race]:
    """Every writer has a connection of its own."""
    database = Database(tables, name="writers", pool_size=WRITERS)
    yield Race(database, backbone.relay.wake)
    await database.dispose()


CLEAN = Counter(lost=0, inverted=0, gaps=0)


async def test_sixteen_writers_on_five_aggregates_lose_nothing_and_invert_nothing(
    race: Race, backbone: Backbone, kafka_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay deletes as it goes, and its floor rises at every read."""
    monkeypatch.setattr(floor, "RISE_SECONDS", 0.0)
    async with running(backbone.relay):
        await race.run(2400)
        await drained(backbone)
    assert len(race.versions) == 2400
    assert race.judge(await published(kafka_servers, backbone.topic)) == CLEAN


async def test_writers_in_lock_step_keep_their_order(race: Race, backbone: Backbone, kafka_servers: str) -> None:
    await race.run_in_lock_step(nothing, outbox_row)
    async with running(backbone.relay):
        await drained(backbone)
    assert race.judge(await published(kafka_servers, backbone.topic)) == CLEAN


async def test_outbox_rows_written_before_their_aggregate_are_inverted(race: Race, backbone: Backbone, kafka_servers: str) -> None:
    """The test of the two tests above: with the order of the two writes reversed every step of every aggregate is inverted."""
    await race.run_in_lock_step(outbox_row, nothing)
    async with running(backbone.relay):
        await drained(backbone)
    assert race.judge(await published(kafka_servers, backbone.topic)) == Counter(lost=0, inverted=WRITERS - AGGREGATES, gaps=0)


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
    await eventually(lambda: not asyncio.all_tasks() - before, within=40, what="every task of the producer to end")
    for future in waiting:
        future.exception()
    with pytest.raises(KafkaError):
        await publisher.send(topic, b"k", b"v", [])
