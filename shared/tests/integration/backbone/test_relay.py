"""The relay on a real broker: nothing lost, order per key, one leader, a row the broker refuses holds only its key."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from klaster_shared.contracts import topics
from klaster_shared.contracts.envelope import decode
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.embedded.ports import free_port
from klaster_shared.errors import TooLarge
from klaster_shared.ids import new_id
from klaster_shared.outbox import relay as relaying
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.outbox.relay import Relay
from klaster_shared.testing.backbone import Backbone, an_origin, names, running
from klaster_shared.testing.log import read_log
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

TOPIC = topics.PARTNERS_NETWORK


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone], declared_topics: None) -> Backbone:
    return new_backbone(TOPIC)


async def log_of(servers: str, *networks: object) -> dict[str, list[tuple[int, str]]]:
    """(sequence, ce_id) of each subject, in log order, for the given networks."""
    found: dict[str, list[tuple[int, str]]] = {str(n): [] for n in networks}
    for record in await asyncio.to_thread(read_log, servers, TOPIC):
        envelope = decode(record.value(), record.headers())
        if envelope.subject in found and envelope.sequence is not None:
            found[envelope.subject].append((envelope.sequence, envelope.id))
    return found


async def drained(backbone: Backbone) -> None:
    async def empty() -> bool:
        return not await backbone.outbox()

    await eventually(empty, within=40, what="an empty outbox")


async def test_every_committed_message_reaches_the_log_in_the_order_of_its_key(backbone: Backbone, kafka_servers: str) -> None:
    networks = [new_id() for _ in range(4)]
    async with running(backbone.relay):
        for first in range(1, 101, 10):
            await asyncio.gather(*[backbone.record(*names(10), network=network, first=first) for network in networks])
        await drained(backbone)
    for records in (await log_of(kafka_servers, *networks)).values():
        assert [sequence for sequence, _ in records] == list(range(1, 101))


async def test_a_rolled_back_transaction_publishes_nothing(backbone: Backbone, kafka_servers: str) -> None:
    network = new_id()
    async with running(backbone.relay):
        with pytest.raises(ZeroDivisionError):
            await record_and_fail(backbone, network)
        await backbone.record("kept", network=network)
        await drained(backbone)
    assert len((await log_of(kafka_servers, network))[str(network)]) == 1


async def record_and_fail(backbone: Backbone, network: UUID) -> None:
    async with backbone.transactions.begin(an_origin()) as work:
        work.publish(NetworkRegistered(network_id=network, code="X", name="lost"), sequence=1, happened=work.now)
        await work.write_outbox()
        raise ZeroDivisionError


async def test_only_one_of_two_relays_leads_and_the_other_takes_over(backbone: Backbone, kafka_servers: str) -> None:
    other = Relay(backbone.database, lambda: KafkaPublisher(kafka_servers, client_id="other"), metrics=backbone.metrics, clock=backbone.clock)
    await backbone.relay.start()
    await eventually(lambda: backbone.relay.report()["leader"], what="the first relay to lead")
    async with running(other):
        await asyncio.sleep(0.6)  # two stand-by rounds of the other: it must not lead
        assert not other.report()["leader"]
        await backbone.relay.stop()
        await eventually(lambda: other.report()["leader"], within=2, what="the other relay to take over")
        network = new_id()
        await backbone.record("after", network=network)
        await drained(backbone)


async def test_a_relay_that_is_stopped_publishes_what_is_committed_by_then(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "STOP_SECONDS", 60.0)
    monkeypatch.setattr(relaying, "BATCH_ROWS", 20)
    async with running(backbone.relay):
        await eventually(lambda: backbone.relay.report()["leader"], what="the relay to lead")
        await backbone.record(*names(100), network=new_id())
    assert await backbone.outbox() == []


async def test_a_relay_that_stands_by_publishes_what_its_stopped_leader_left(backbone: Backbone, kafka_servers: str) -> None:
    other = Relay(backbone.database, lambda: KafkaPublisher(kafka_servers, client_id="other"), metrics=backbone.metrics, clock=backbone.clock)
    async with running(other):
        async with running(backbone.relay):
            await eventually(lambda: other.report()["leader"] or backbone.relay.report()["leader"], what="one of them to lead")
        await backbone.record(*names(3), network=new_id())
    assert await backbone.outbox() == []


async def test_a_leader_whose_connection_is_killed_leads_again(backbone: Backbone) -> None:
    async with running(backbone.relay):
        await eventually(lambda: backbone.relay.report()["leader"], what="the relay to lead")
        async with backbone.database.connect() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        await backbone.record("after", network=new_id())
        await drained(backbone)


async def test_a_row_the_broker_refuses_is_dead_and_holds_only_its_key(backbone: Backbone, kafka_servers: str) -> None:
    bad, good = new_id(), new_id()
    await backbone.record("refused", "behind it", network=bad)
    await backbone.record("free", network=good)
    async with backbone.database.connect() as connection:
        await connection.execute("UPDATE outbox SET payload = convert_to(repeat('x', 2000000), 'UTF8') WHERE id = (SELECT min(id) FROM outbox)")
    async with running(backbone.relay):

        async def only_the_bad_key_is_left() -> bool:
            rows = await backbone.outbox()
            return [row["dead"] for row in rows] == [True, False] and {row["key"] for row in rows} == {str(bad)}

        await eventually(only_the_bad_key_is_left, within=40, what="a dead row, the one behind it held, the other published")
        await backbone.record("later", network=good, first=2)
        await eventually(only_the_bad_key_is_left, within=40, what="the other key to flow on")
    found = await log_of(kafka_servers, bad, good)
    assert found[str(bad)] == []
    assert [sequence for sequence, _ in found[str(good)]] == [1, 2]


async def test_a_message_over_the_limit_is_refused_when_it_is_recorded(backbone: Backbone) -> None:
    with pytest.raises(TooLarge):
        await backbone.record("x" * 300_000, network=new_id())
    assert await backbone.outbox() == []


async def test_messages_are_kept_while_the_broker_is_away(new_backbone: Callable[..., Backbone]) -> None:
    backbone = new_backbone(TOPIC, servers=f"127.0.0.1:{free_port()}")
    async with running(backbone.relay):
        await backbone.record("kept", network=new_id())
        await eventually(lambda: backbone.relay.report()["trouble"] is not None, within=40, what="the relay to report trouble")
        assert [row["dead"] for row in await backbone.outbox()] == [False]
