"""Reads a bounded part of the log beside everybody else.

The one rule: the reader is in no consumer group. It assigns itself its partitions, joins nothing and commits nothing, so no group
notices it, and nothing is left of it when it has gone.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from klaster_shared.consuming.log_spans import LogAway, Span
from klaster_shared.consuming.parking import RawRecord
from klaster_shared.consuming.parser import raw_record
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.tolerance import survive_unreadable_names

BATCH_RECORDS: Final = 500
POLL_MS: Final = 500
PATIENCE_SECONDS: Final = 60.0
"""Without a step ahead in any partition: then the broker is not going to answer any more."""


class Log(Protocol):
    """What can be read in parts."""

    def read(self, spans: Mapping[Partition, Span]) -> AsyncGenerator[list[RawRecord]]:
        """Batches, each of one partition's records in the order of their offsets; ends when all spans have been read.

        Raises:
            LogAway: the broker does not answer, or does not hold the spans any more.
        """


class KafkaLog:
    """The log on a broker. Aborted transactions are left out, and a record is given as it is, whatever its headers are."""

    def __init__(self, servers: str, *, client_id: str) -> None:
        self._servers = servers
        self._client_id = client_id

    async def read(self, spans: Mapping[Partition, Span]) -> AsyncGenerator[list[RawRecord]]:
        wanted = {TopicPartition(*p): span for p, span in spans.items() if span.length}
        if not wanted:
            return
        survive_unreadable_names()
        client = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            client_id=self._client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            request_timeout_ms=10_000,
            retry_backoff_ms=250,
        )
        try:
            await client.start()
            client.assign(list(wanted))
            for tp, span in wanted.items():
                client.seek(tp, span.start)
            async for batch in _batches(client, wanted):
                yield batch
        except (KafkaError, OSError) as error:
            raise LogAway(f"Kafka at {self._servers} does not give what was asked for ({type(error).__name__}).") from error
        finally:
            await client.stop()


async def _batches(client: Any, wanted: dict[TopicPartition, Span]) -> AsyncGenerator[list[RawRecord]]:
    loop = asyncio.get_running_loop()
    reached, patience = {tp: span.start for tp, span in wanted.items()}, loop.time() + PATIENCE_SECONDS
    while unread := [tp for tp, offset in reached.items() if offset < wanted[tp].end]:
        fetched = await client.getmany(*unread, timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
        for tp in unread:
            if records := [raw_record(record) for record in fetched.get(tp, ()) if record.offset < wanted[tp].end]:
                yield records
        now_at = {tp: await client.position(tp) for tp in unread}  # also past what is no record: markers, and what was compacted away
        if any(now_at[tp] > reached[tp] for tp in unread):
            patience = loop.time() + PATIENCE_SECONDS
        elif loop.time() > patience:
            raise LogAway(f"The log gave nothing for {PATIENCE_SECONDS:g} s.")
        reached |= now_at
        if done := [tp for tp in unread if reached[tp] >= wanted[tp].end]:
            client.pause(*done)
