"""A log without a broker: what was written to it, for suites of those who read a log in parts."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import override

import orjson

from klaster_shared.clock import SystemClock
from klaster_shared.consuming.log_spans import LogAway, LogEdges, Span
from klaster_shared.consuming.parking import RawRecord
from klaster_shared.consuming.positions import Partition
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.db.statements import Row

BATCH = 3


class MemoryLog(LogEdges):
    """One partition per topic. The ports `log_reading.Log` and `LogEdges`; `away` makes it fail as a broker does that does not answer."""

    def __init__(self, *topics: str) -> None:
        super().__init__("nowhere:0")
        self.away = False
        self._records: dict[Partition, list[RawRecord]] = {Partition(topic, 0): [] for topic in topics}

    def write(self, topic: str, envelope: Envelope) -> None:
        self.append(topic, (envelope.partition_key or "").encode(), envelope.data, tuple(envelope.headers()))

    def publish(self, row: Row) -> None:
        """A row of the outbox, as the relay would publish it."""
        headers = tuple((name, text.encode()) for name, text in orjson.loads(row["headers"]))
        self.append(row["topic"], row["key"].encode(), bytes(row["payload"]), headers)

    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> None:
        partition = Partition(topic, 0)
        kept = self._records[partition]
        kept.append(RawRecord(partition=partition, offset=len(kept), logged_at=SystemClock().now(), key=key, headers=headers, value=value))

    def of(self, topic: str) -> list[RawRecord]:
        """The topic's records; a test that spoils them spoils the log."""
        return self._records[Partition(topic, 0)]

    async def read(self, spans: Mapping[Partition, Span]) -> AsyncGenerator[list[RawRecord]]:
        self._answer()
        for partition, span in spans.items():
            records = self._records[partition][span.start : span.end]
            for first in range(0, len(records), BATCH):
                yield records[first : first + BATCH]

    @override
    async def partitions(self, topics: Iterable[str]) -> list[Partition]:
        self._answer()
        return sorted(partition for partition in self._records if partition.topic in set(topics))

    @override
    async def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(partitions, 0)

    @override
    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        self._answer()
        return {partition: len(self._records[partition]) for partition in partitions}

    @override
    async def at(self, moment: datetime, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return {p: next((r.offset for r in self._records[p] if r.logged_at >= moment), len(self._records[p])) for p in partitions}

    def _answer(self) -> None:
        if self.away:
            raise LogAway("The log does not answer.")
