"""One bad record among many: it alone is set aside, and nothing that strangers write stops what is good."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition, codec
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from klaster_shared.consuming.runner import CHUNK_RECORDS
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, Raw, a_record, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

LENGTH_AT, LENGTH_COUNTS_FROM, CHECKSUM_AT, CHECKED_FROM, RECORDS_AT = 8, 12, 17, 21, 61
"""Places in a record batch of the second format."""
ENCODERS: dict[int, Callable[[bytes], bytes]] = {1: codec.gzip_encode, 2: codec.snappy_encode, 3: codec.lz4_encode, 4: codec.zstd_encode}
SPOILT = b"spoilt-name"


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone], new_topic: Callable[..., str]) -> Backbone:
    """One partition, so that everything lies in one log in the order of sending."""
    return new_backbone(new_topic("poison"))


def fallbacks(backbone: Backbone) -> float:
    value: float = backbone.metrics.consumer_chunk_fallbacks.labels(consumer=backbone.declaration.name)._value.get()
    return value


@pytest.mark.parametrize(("poison", "reason"), [("refuse", "not-wanted"), ("break", "error")])
async def test_in_a_chunk_exactly_the_bad_record_is_parked(backbone: Backbone, producer: AIOKafkaProducer, poison: str, reason: str) -> None:
    good = [(f"line {n}", new_id()) for n in range(CHUNK_RECORDS)]
    bad = new_id()
    await send(producer, backbone.topic, *[a_record(*one) for one in good[:50]], a_record(poison, bad), *[a_record(*one) for one in good[50:]])
    async with running(backbone.consumer):
        await eventually(lambda: backbone.handled("applied") == CHUNK_RECORDS, within=40, what="all good messages")
        await eventually(lambda: backbone.handled("parked") == 1, within=40, what="the bad one")
    assert [(parked.key, parked.reason) for parked in await backbone.office.listing()] == [(str(bad).encode(), reason)]
    assert [(name, network) for network, name in await backbone.lines()] == good
    assert fallbacks(backbone) == 1


@pytest.mark.parametrize("compression", range(5), ids=["plain", "gzip", "snappy", "lz4", "zstd"])
async def test_a_header_name_that_is_not_text_costs_no_message(
    backbone: Backbone, producer: AIOKafkaProducer, kafka_servers: str, compression: int
) -> None:
    """C and Go clients can write any bytes there; aiokafka raises over them, and would at every fetch."""
    networks = [new_id() for _ in range(4)]
    before, bad, after, later = [a_record(name, network) for name, network in zip(("before", "bad", "after", "later"), networks, strict=True)]
    without_id = [(name, value) for name, value in bad[2] if name != "ce_id"]
    async with running(backbone.consumer):
        await write_batch(
            kafka_servers,
            backbone.topic,
            before,
            (*bad[:2], [(SPOILT.decode(), b"x"), *without_id]),
            with_spoilt_header(after),
            compression=compression,
        )
        await send(producer, backbone.topic, later)
        await eventually(lambda: backbone.handled("applied") == 3, within=40, what="the messages that can be read")
    assert [name for _, name in await backbone.lines()] == ["before", "after", "later"]
    (parked,) = await backbone.office.listing()
    assert (parked.key, parked.value, parked.reason) == (*bad[:2], "undecodable")
    assert parked.headers == [("?" * len(SPOILT), b"x"), *without_id]


async def test_a_record_from_the_far_future_is_handled_like_any_other(
    new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], producer: AIOKafkaProducer
) -> None:
    """A topic may allow any time, and no datetime holds it."""
    backbone = new_backbone(new_topic("future", config={"message.timestamp.after.max.ms": str(2**63 - 1)}))
    network = new_id()
    key, value, headers = a_record("future", network)
    async with running(backbone.consumer):
        await producer.send_and_wait(backbone.topic, key=key, value=value, headers=headers, timestamp_ms=2**62)
        await send(producer, backbone.topic, a_record("present", network, 2))
        await eventually(lambda: backbone.handled("applied") == 2, within=40, what="both messages")
    assert await backbone.lines(network) == ["future", "present"]


def with_spoilt_header(record: Raw) -> Raw:
    key, value, headers = record
    return key, value, [(SPOILT.decode(), b"x"), *headers]


def spoilt_batch(*records: Raw) -> bytearray:
    builder: Any = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=1_000_000
    )
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, timestamp=1_700_000_000_000, key=key, value=value, headers=headers)
    return bytearray(bytes(builder.build()).replace(SPOILT, b"\xff" * len(SPOILT)))


async def write_batch(servers: str, topic: str, *records: Raw, compression: int) -> None:
    """As one batch, with a header name among them spoilt on its way: no client of Python would write such bytes."""
    batch = spoilt_batch(*records)
    if compression:
        batch = batch[:RECORDS_AT] + ENCODERS[compression](bytes(batch[RECORDS_AT:]))
        struct.pack_into(">i", batch, LENGTH_AT, len(batch) - LENGTH_COUNTS_FROM)
        struct.pack_into(">h", batch, CHECKED_FROM, compression)
    struct.pack_into(">I", batch, CHECKSUM_AT, calc_crc32c(bytes(batch[CHECKED_FROM:])))
    client = AIOKafkaClient(bootstrap_servers=servers)
    await client.bootstrap()
    try:
        await client.add_topic(topic)

        async def leader_of_the_partition() -> Any:
            await client.force_metadata_update()  # a topic that was made a moment ago may be missing from the first answer
            return client.cluster.leader_for_partition(TopicPartition(topic, 0))

        leader = await eventually(leader_of_the_partition)
        request = ProduceRequest(required_acks=-1, timeout=5000, topics=[(topic, [(0, bytes(batch))])], transactional_id=None)
        answer = await asyncio.wait_for(client.send(leader, request), 10)
        assert answer.topics[0][1][0][1] == 0
    finally:
        await client.close()
