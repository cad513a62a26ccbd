"""A consumer or a relay that stands still without a word is found out, and one that only waits for others is left in peace."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared import watchdog
from klaster_shared.ids import new_id
from klaster_shared.kafka import Cluster
from klaster_shared.outbox.relay import Relay
from klaster_shared.outbox.standstill import RelayLook
from klaster_shared.testing.backbone import Backbone, a_record, running, send
from klaster_shared.testing.waiting import eventually
from klaster_shared.watchdog import Watchdog

pytestmark = pytest.mark.engines


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(watchdog, "STANDSTILL_SECONDS", 1.0)


@pytest.fixture
def dog(backbone: Backbone) -> Watchdog:
    return Watchdog([backbone.consumer.for_watchdog()], backbone.metrics)


async def is_at_work(backbone: Backbone) -> None:
    await eventually(lambda: backbone.consumer.report()["partitions"] == 3, within=60, what="its partitions")


async def test_a_fetch_that_ended_without_a_word_is_found_out_and_what_works_again_is_alive(
    backbone: Backbone, dog: Watchdog, producer: AIOKafkaProducer
) -> None:
    """For the client itself all is well: it has heard of no message it has not delivered."""
    async with running(backbone.consumer, dog):
        await is_at_work(backbone)
        client = backbone.consumer._kafka()
        client.pause(*client.assignment())  # stands for a fetch that ended: nothing fetched, nothing said
        await send(producer, backbone.topic, a_record("unseen", new_id()), a_record("unseen", new_id()))
        await eventually(lambda: not dog.report()["alive"], within=60, what="the standstill to be found out")
        assert "2 messages wait" in next(iter(dog.report()["standstill"].values()))
        client.resume(*client.assignment())
        await eventually(lambda: dog.report()["alive"], within=60, what="the consumer to be alive again")


async def test_a_handler_that_never_ends_is_found_out(backbone: Backbone, dog: Watchdog, producer: AIOKafkaProducer) -> None:
    release = asyncio.Event()

    async def hang(_name: str) -> None:
        await release.wait()

    backbone.ledger.after = hang
    async with running(backbone.consumer, dog):
        await send(producer, backbone.topic, a_record("stuck", new_id()))
        await eventually(lambda: not dog.report()["alive"], within=60, what="the standstill to be found out")
        release.set()
        await eventually(lambda: dog.report()["alive"], within=60, what="the consumer to be alive again")


async def test_marks_of_transactions_at_the_end_of_the_log_are_no_waiting_messages(
    backbone: Backbone, kafka_servers: str, unique_name: Callable[[str], str]
) -> None:
    """They have offsets, and no consumer is ever given them."""
    look, network = backbone.consumer.for_watchdog(), new_id()
    foreign = AIOKafkaProducer(bootstrap_servers=kafka_servers, transactional_id=unique_name("foreign"))
    await foreign.start()
    try:
        async with running(backbone.consumer):
            async with foreign.transaction():
                await send(foreign, backbone.topic, a_record("in a transaction", network))
            await eventually(lambda: backbone.handled("applied") == 1, within=60, what="the message")

            async def nothing_waits() -> bool:
                seen = await look.look()
                return seen is not None and seen.waiting is None

            await eventually(nothing_waits, within=60, what="the end to be seen as the end")
            await eventually(lambda: lag(backbone) == 0, within=60, what="the lag to be none")
    finally:
        await foreign.stop()


def lag(backbone: Backbone) -> float:
    return sum(s.value for family in backbone.metrics.consumer_lag_messages.collect() for s in family.samples)


async def test_a_partition_that_waits_by_itself_is_no_standstill(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    look = backbone.consumer.for_watchdog()
    async with running(backbone.consumer):
        await is_at_work(backbone)
        async with backbone.database.connect() as connection, connection.transaction():
            await connection.execute("SELECT 1 FROM consumer_position FOR UPDATE")
            await send(producer, backbone.topic, *[a_record("held up", new_id()) for _ in range(24)])
            await eventually(lambda: len(backbone.consumer.report()["paused"]) == 3, within=60, what="every partition to wait")
            assert await look.look() is None
        await eventually(lambda: backbone.handled("applied") == 24, within=60, what="everything to go on")


class Publisher:
    """A client of the broker that does as the test says."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    async def start(self) -> None: ...

    async def send(self, _topic: str, _key: bytes, _value: bytes, _headers: Sequence[tuple[str, bytes]]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        return self._answer() or future

    async def hard_close(self) -> None: ...


@pytest.mark.usefixtures("declared_topics")
async def test_a_relay_that_hears_nothing_of_a_broker_that_is_there_is_found_out(backbone: Backbone, kafka_servers: str) -> None:
    relay = Relay(backbone.database, lambda: Publisher(lambda: None), metrics=backbone.metrics, clock=backbone.clock)
    dog = Watchdog([RelayLook(relay, backbone.database, Cluster(kafka_servers))], backbone.metrics)
    await backbone.record("kept", network=new_id())
    async with running(relay, dog):
        await eventually(lambda: not dog.report()["alive"], within=60, what="the standstill to be found out")
        assert list(dog.report()["standstill"]) == ["relay"]
