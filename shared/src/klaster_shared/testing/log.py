"""The log as a stranger reads it: through librdkafka, not through the client under test."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

READ_SECONDS = 20.0
BATCH = 1000
PAUSE_SECONDS = 0.1

type Place = tuple[str, int]
"""Topic and partition."""


def read_log(servers: str, *topics: str) -> list[Message]:
    """Every record of the topics up to their ends as they are now, partition after partition in offset order.

    Raises TimeoutError when an end is not reached in time.
    """
    with _consumer(servers) as consumer:
        places = [(topic, partition) for topic in topics for partition in sorted(consumer.list_topics(topic, 10).topics[topic].partitions)]
        bounds = {place: _bounds(consumer, place) for place in places}
        found: dict[Place, list[Message]] = {place: [] for place in places}
        consumer.assign([TopicPartition(*place, start) for place, (start, end) in bounds.items() if start < end])
        for record in _until(consumer, {place: end for place, (start, end) in bounds.items() if start < end}):
            found[record.topic(), record.partition()].append(record)
        return [record for place in places for record in found[place]]


def _bounds(consumer: Any, place: Place) -> tuple[int, int]:
    """Start and end. A partition made a moment ago may have no leader yet; that passes."""
    deadline = time.monotonic() + READ_SECONDS
    while True:
        try:
            start, end = consumer.get_watermark_offsets(TopicPartition(*place), 10)
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            if time.monotonic() > deadline:
                raise TimeoutError(f"{place} has no leader") from error
            time.sleep(PAUSE_SECONDS)
        else:
            return start, end


def _until(consumer: Any, ends: Mapping[Place, int]) -> Iterator[Message]:
    """All partitions at once: waiting for one after the other would cost a fetch's wait each."""
    remaining, deadline = dict(ends), time.monotonic() + READ_SECONDS
    while remaining:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not read to the end: {remaining}")
        for record in consumer.consume(BATCH, 0.2):
            place = (record.topic(), record.partition())
            if record.error() is None and record.offset() < ends[place]:
                yield record
                if record.offset() + 1 == ends[place]:
                    del remaining[place]


@contextmanager
def _consumer(servers: str) -> Iterator[Any]:
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "stranger", "enable.auto.commit": False, "auto.offset.reset": "earliest", "log_level": 2}
    )
    try:
        yield consumer
    finally:
        consumer.close()
