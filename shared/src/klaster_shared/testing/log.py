"""The log as a stranger reads it: through librdkafka, not through the client under test."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

READ_SECONDS = 20.0


def read_log(servers: str, topic: str) -> list[Message]:
    """Every record of the topic up to its end as it is now, partition after partition in offset order.

    Raises TimeoutError when the end is not reached in time.
    """
    with _consumer(servers) as consumer:
        found: list[Message] = []
        for partition in sorted(consumer.list_topics(topic, 10).topics[topic].partitions):
            found += _read(consumer, TopicPartition(topic, partition))
        return found


def _read(consumer: Any, partition: TopicPartition) -> Iterator[Message]:
    start, end = consumer.get_watermark_offsets(partition, 10)
    consumer.assign([TopicPartition(partition.topic, partition.partition, start)])
    following, deadline = start, time.monotonic() + READ_SECONDS
    while following < end:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{partition.topic}/{partition.partition} was read up to {following} of {end}")
        record = consumer.poll(0.5)
        if record is not None and record.error() is None:
            following = record.offset() + 1
            yield record


@contextmanager
def _consumer(servers: str) -> Iterator[Any]:
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "stranger", "enable.auto.commit": False, "auto.offset.reset": "earliest", "log_level": 2}
    )
    try:
        yield consumer
    finally:
        consumer.close()
