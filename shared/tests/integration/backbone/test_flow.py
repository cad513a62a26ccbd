"""From a committed command to its effect, on real engines: order per key, one effect, bad input beside good."""

import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared.consuming.office import NotHead
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, Raw, a_record, names, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


async def test_messages_of_one_key_are_applied_once_each_and_in_order(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    networks = [new_id() for _ in range(5)]
    async with running(backbone.consumer, backbone.unparker):
        for n in range(1, 41):
            await send(producer, backbone.topic, *[a_record(f"line {n}", network, n) for network in networks])
        await eventually(lambda: backbone.handled("applied") == 200, within=40, what="200 applied messages")
    for network in networks:
        assert await backbone.lines(network) == list(names(40))


async def test_the_same_message_ten_times_has_one_effect_and_nine_duplicates(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    same = a_record("once", network)
    async with running(backbone.consumer):
        await send(producer, backbone.topic, *[same] * 10)
        await eventually(lambda: backbone.handled("duplicate") == 9, within=40, what="nine duplicates")
    assert await backbone.lines(network) == ["once"]


async def test_bad_records_are_parked_with_their_bytes_and_good_ones_flow_on(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    good, key = new_id(), b"\xff\x00"
    _, value, headers = a_record("x", good)
    assert value is not None
    odd: list[Raw] = [
        (key, b"not json", headers),
        (None, value, [(n, v) for n, v in headers if n != "ce_id"]),
        (b"a", value, [("ce_id", None), *headers]),
        (b"b", value, [("ce_type", b"\xff\xfe"), *headers]),
        (b"c", None, headers),
        (b"d", value.replace(b'"x"', b'"\\u0000"'), headers),
        (b"e", value.replace(b'"name"', b'"nom"'), headers),
        (b"f" * 4000, b"x" * 300_000, headers),
        (b"g", value, [(n, b"pl.lifescience.partners.Unheard.v1" if n == "ce_type" else v) for n, v in headers]),
    ]
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, *odd, a_record("good", good))
        await eventually(lambda: backbone.handled("applied") == 1, within=40, what="the good message")
        await eventually(lambda: backbone.handled("parked") == 8, within=40, what="eight parked messages")
        await eventually(lambda: backbone.handled("skipped") == 1, within=40, what="the unknown type to be passed over")
    parked = {p.key: p for p in await backbone.office.listing()}
    assert {p.reason for p in parked.values()} == {"undecodable", "schema", "too-large"}
    assert parked[key].value == b"not json"
    assert parked[b"a"].headers[0] == ("ce_id", None)
    assert parked[b"b"].headers[0] == ("ce_type", b"\xff\xfe")
    assert parked[b"c"].value is None
    assert parked[b"f" * 4000].value == b"x" * 300_000


async def test_messages_behind_a_parked_one_wait_and_follow_in_order_after_a_skip(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    blocked, free = new_id(), new_id()
    async with running(backbone.consumer, backbone.unparker):
        await send(
            producer,
            backbone.topic,
            a_record("refuse", blocked, 1),
            a_record("second", blocked, 2),
            a_record("third", blocked, 3),
            a_record("free", free),
        )
        await eventually(lambda: backbone.handled("parked") == 3, within=40, what="three parked messages")
        await eventually(lambda: backbone.handled("applied") == 1, within=40, what="the message of the free key")
        assert await backbone.lines() == [(free, "free")]
        head, second, _ = await backbone.office.listing()
        assert (head.state, head.reason, second.state) == ("held", "not-wanted", "waiting")
        with pytest.raises(NotHead):
            await backbone.office.retry(second.id, actor="operator")
        await backbone.office.skip(head.id, actor="operator", reason="agreed with the owner")
        await eventually(lambda: backbone.handled("applied") == 3, within=40, what="the queue to drain")
        await send(producer, backbone.topic, a_record("fourth", blocked, 4))
        await eventually(lambda: backbone.handled("applied") == 4, within=40, what="the live message after the gate opened")
    assert await backbone.lines(blocked) == ["second", "third", "fourth"]


async def test_a_retried_head_is_applied_before_those_behind_it(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, a_record("refuse", network, 1), a_record("second", network, 2))
        await eventually(lambda: backbone.handled("parked") == 2, within=40, what="two parked messages")
        backbone.ledger.refusing = False
        head = (await backbone.office.listing())[0]
        await backbone.office.retry(head.id, actor="operator")
        await eventually(lambda: backbone.handled("applied") == 2, within=40, what="both applied")
    assert await backbone.lines(network) == ["refuse", "second"]
    assert await backbone.office.listing() == []


async def test_an_unclassified_failure_is_tried_again_by_itself(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, a_record("break", network, 1), a_record("after", network, 2))
        await eventually(lambda: backbone.handled("parked") == 2, within=40, what="two parked messages")
        assert (await backbone.office.listing())[0].state == "due"
        backbone.ledger.breaking = False
        await eventually(lambda: backbone.handled("applied") == 2, within=40, what="both applied without an operator")
    assert await backbone.lines(network) == ["break", "after"]


async def test_a_second_process_takes_over_where_the_first_stopped(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await send(producer, backbone.topic, a_record("one", network, 1))
        await eventually(lambda: backbone.handled("applied") == 1, within=40, what="the first message")
    await send(producer, backbone.topic, a_record("two", network, 2))
    async with running(backbone.consumer):
        await eventually(lambda: backbone.handled("applied") == 2, within=40, what="the second message")
    assert await backbone.lines(network) == ["one", "two"]
    assert backbone.handled("duplicate") == 0


async def test_a_position_moved_by_somebody_else_fences_this_process(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await send(producer, backbone.topic, a_record("one", network, 1))
        await eventually(lambda: backbone.handled("applied") == 1, within=40, what="the first message")
        async with backbone.database.connect() as connection:
            await connection.execute("UPDATE consumer_position SET next_offset = next_offset + 1 WHERE next_offset > 0")
        await send(producer, backbone.topic, a_record("taken by the other", network, 2), a_record("three", network, 3))
        await eventually(lambda: backbone.handled("applied") == 2, within=40, what="the third message")
    assert await backbone.lines(network) == ["one", "three"]


async def test_a_position_beyond_the_end_of_the_log_refuses_the_partition_until_it_is_reset(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await send(producer, backbone.topic, a_record("one", network, 1))
        await eventually(lambda: backbone.handled("applied") == 1, within=40, what="the first message")
    async with backbone.database.connect() as connection:
        await connection.execute("UPDATE consumer_position SET next_offset = 500 WHERE next_offset > 0")
    async with running(backbone.consumer):
        await eventually(lambda: bool(backbone.consumer.report()["refused"]), within=40, what="the refusal")
        _, position = next((c, p) for c, p in await backbone.office.positions() if p.next_offset == 500)
        await backbone.office.reset_position(backbone.declaration.name, position.partition, 1, actor="operator", reason="the log was made anew")
        await send(producer, backbone.topic, a_record("two", network, 2))
        await eventually(lambda: backbone.handled("applied") == 2, within=40, what="the message after the reset")
    assert not backbone.consumer.report()["refused"]


async def test_the_database_going_away_delays_messages_and_loses_none(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await send(producer, backbone.topic, a_record("one", network, 1))
        await eventually(lambda: backbone.handled("applied") == 1, within=40, what="the first message")
        async with backbone.database.connect() as connection:
            killed = connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            sent = send(producer, backbone.topic, *[a_record(f"more {n}", network, n) for n in range(2, 12)])
            await asyncio.gather(killed, sent)
        await eventually(lambda: backbone.handled("applied") == 11, within=30, what="all messages")
    assert len(await backbone.lines(network)) == 11


async def test_parking_is_audited(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, a_record("refuse", new_id(), 1))
        await eventually(lambda: backbone.handled("parked") == 1, within=40, what="a parked message")
        head = (await backbone.office.listing())[0]
        await backbone.office.skip(head.id, actor="operator", reason="agreed")
    async with backbone.database.connect() as connection:
        act: asyncpg.Record = await connection.fetchrow("SELECT actor, action, reason FROM operator_act")
    assert tuple(act) == ("operator", "skip", "agreed")
