"""The Kafka client, made to survive a record that it cannot read.

A header's name is text by convention only: the broker checks nothing, C and Go clients write any bytes, and aiokafka raises while
it unpacks what it has fetched. Everything it had unpacked before is lost with that, and the same records raise again at the next
fetch, for ever. The one rule: such a record is handed on without its headers, everything around it as it is.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Place

UNREADABLE = "(the headers are lost: a name among them is not UTF-8)"
"""The only header of such a record, with a null value: what reads it on finds no message in it, and an operator finds the reason."""
LONGEST_BATCH = 500
FETCH_SECONDS = 5.0

type Batch = dict[TopicPartition, list[ConsumerRecord]]


class TolerantConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no types
    def __init__(self, servers: str, **options: Any) -> None:
        """`servers` as host:port,host:port; the options are AIOKafkaConsumer's."""
        super().__init__(**options)
        self._servers = servers

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> Batch:
        try:
            batch: Batch = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        except UnicodeDecodeError:
            return await self._one_by_one()
        return batch

    async def _one_by_one(self) -> Batch:
        """What lies before the unreadable record, and that record; of the other partitions, what is there."""
        batch: Batch = {}
        for partition in self.assignment() - self.paused():
            if (self.highwater(partition) or 0) > await self.position(partition):
                batch[partition] = await self._of(partition)
        return {partition: records for partition, records in batch.items() if records}

    async def _of(self, partition: TopicPartition) -> list[ConsumerRecord]:
        records: list[ConsumerRecord] = []
        while len(records) < LONGEST_BATCH:
            try:
                found = await super().getmany(partition, timeout_ms=int(FETCH_SECONDS * 1000) if not records else 0, max_records=1)
            except UnicodeDecodeError:
                record = await asyncio.to_thread(self._without_headers, partition, await self.position(partition))
                self.seek(partition, record.offset + 1)
                return [*records, record]
            if not found:
                break
            records += found[partition]
        return records

    def _without_headers(self, partition: TopicPartition, offset: int) -> ConsumerRecord:
        """The first record from `offset` on, by librdkafka, which does not look at headers before it is asked for them.

        Raises:
            KafkaConnectionError: it could not be had in time.
        """
        reader = Consumer({"bootstrap.servers": self._servers, "group.id": "unused", "enable.auto.commit": False, "log_level": 2})
        try:
            reader.assign([Place(partition.topic, partition.partition, offset)])
            found = reader.poll(FETCH_SECONDS)
            if found is None or found.error() is not None:
                raise KafkaConnectionError(f"{partition.topic}/{partition.partition}: the record at {offset} could not be read otherwise")
            kind, timestamp = found.timestamp()
            return _record(partition, found, timestamp, kind)
        except KafkaException as error:
            raise KafkaConnectionError(f"{partition.topic}/{partition.partition}: {error.args[0].name()}") from error
        finally:
            reader.close()


def _record(partition: TopicPartition, found: Any, timestamp: int, kind: int) -> ConsumerRecord:
    key, value = found.key(), found.value()
    return ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
        offset=found.offset(),
        timestamp=timestamp,
        timestamp_type=kind,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=-1 if key is None else len(key),
        serialized_value_size=-1 if value is None else len(value),
        headers=((UNREADABLE, None),),
    )
