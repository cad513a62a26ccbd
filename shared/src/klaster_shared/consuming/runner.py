"""Turns fetched batches into chunks and keeps, per partition, the offset this process expects to be next.

The one rule: a position only moves from the offset that is expected here, and after anything that makes the expectation
doubtful (a mismatch, a seek, a revoke, an assignment) what is left of that partition in the batch is dropped and fetched
again. docs/architecture/consuming.md walks through the cases.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from klaster_shared.consuming import positions
from klaster_shared.consuming.chunk import ChunkApplier, ChunkResult
from klaster_shared.consuming.parking import Verdict
from klaster_shared.consuming.parser import Incoming, raw_record, read
from klaster_shared.consuming.pausing import Cause, PartitionBlocked, Pauses
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.verdicts import is_worth_repeating, verdict_on
from klaster_shared.db.failures import is_connection_trouble
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.observability.metrics import Metrics

CHUNK_RECORDS = 100
ALONE_ATTEMPTS = 5
BACKOFF_SECONDS = (0.05, 2.0)
POSITION_SECONDS = 1.0
BATCH_SECONDS = 60.0
"""After this a batch begins no further record, and what is left of it is fetched again: a client that does not poll for 300 s is put
out of its group without a word. Also how long a batch waits for its own database.
"""

log = structlog.get_logger(__name__)

type KafkaClient = Any
"""An AIOKafkaConsumer (aiokafka ships no types)."""


@dataclass(slots=True)
class Standing:
    """One assigned and verified partition. `sought`: a seek to `expected` whose first record has not come yet."""

    expected: int
    sought: bool = True
    timestamp: float = 0.0


class Interrupted(Exception):
    """Records are left of the batch: a revoke or a stop came and they are not ours any more, or they are behind a seek."""


class Runner[W: UnitOfWork]:
    """Handles the batches of one consumer in one process. `standings` holds only partitions that may be worked on."""

    def __init__(self, chunks: ChunkApplier[W], metrics: Metrics) -> None:
        self.consumer = chunks.consumer
        self.standings: dict[Partition, Standing] = {}
        self.refused: dict[Partition, str] = {}
        self.pauses = Pauses()
        self.interrupted = False
        self._deadline = 0.0
        self.idle = asyncio.Event()
        self.idle.set()
        self._disposed = self._disposed_when_asked = 0
        self._chunks = chunks
        self.transactions = chunks.transactions
        self._metrics = metrics
        self._client: KafkaClient = None

    async def handle(self, records: Sequence[ConsumerRecord], client: KafkaClient) -> None:
        """One fetched batch. Returns only with every record disposed of, dropped, or behind a seek."""
        if self.interrupted:
            return  # fetched before the revoke, started after it
        self._client = client
        self._deadline = asyncio.get_running_loop().time() + BATCH_SECONDS
        self.idle.clear()
        try:
            accepted = await self._admit(records)
            for start in range(0, len(accepted), CHUNK_RECORDS):
                await self._chunk(accepted[start : start + CHUNK_RECORDS])
        except Interrupted:
            log.info("batch left unfinished", consumer=self.consumer.name)
        except Exception as error:  # noqa: BLE001 - FastStream would log it and fetch on, past what was not applied
            log.error("batch failed outside its chunks; it is fetched again", consumer=self.consumer.name, failure=type(error).__name__)
            self._seek_back()
        finally:
            self.idle.set()

    async def _admit(self, records: Sequence[ConsumerRecord]) -> list[Incoming]:
        """The records that continue what is expected, in order. Moves no expectation: chunks do, when they have committed."""
        accepted: list[Incoming] = []
        for partition, run in groupby(records, key=lambda r: Partition(r.topic, r.partition)):
            standing = self.standings.get(partition)
            if standing is not None:
                accepted += await self._admit_run(partition, standing, list(run))
        return accepted

    async def _admit_run(self, partition: Partition, standing: Standing, run: Sequence[ConsumerRecord]) -> list[Incoming]:
        if standing.sought and await self._fetch_position(partition) == standing.expected:
            return []  # nothing was fetched since the seek: this run is older than it
        accepted: list[Incoming] = []
        following = standing.expected
        for record in run:
            if record.offset < following:
                self._thrown_back(partition, standing, record.offset)
                break
            if record.offset > following and not accepted and not await self._gap_is_real(partition, standing):
                break
            accepted.append(read(raw_record(record), self.consumer))
            following = record.offset + 1
            standing.timestamp = record.timestamp / 1000
        if accepted:
            standing.sought = False
        return accepted

    def _thrown_back(self, partition: Partition, standing: Standing, offset: int) -> None:
        """A record below the expectation, which nobody asked for: the client does that by itself when the log does not hold what it
        is to fetch. Sought once more, a log that was reset delivers one again.
        """
        if standing.sought:
            self.refuse(partition, f"the log delivers offset {offset} after a seek to {standing.expected}: it was reset")
        else:
            self.seek(partition, standing.expected)

    async def _gap_is_real(self, partition: Partition, standing: Standing) -> bool:
        """A first record beyond the expectation: transaction markers and compaction leave gaps, a lost batch looks the same.
        Only directly after a seek to the expected offset, which must still be in the log, is the gap known to be one.
        """
        if not standing.sought:
            self.seek(partition, standing.expected)
            return False
        tp = TopicPartition(*partition)
        start: int = (await self._client.beginning_offsets([tp]))[tp]
        if start > standing.expected and self.standings.get(partition) is standing:
            self.refuse(partition, positions.cut(start, standing.expected))
        return start <= standing.expected

    async def _fetch_position(self, partition: Partition) -> int | None:
        tp = TopicPartition(*partition)
        if tp not in self._client.assignment():
            return None
        position: int = await self._client.position(tp)
        return position

    async def has_fetched(self, partition: Partition, end: int) -> bool:
        """Whether all up to the end was fetched and no batch is in hand: what lies between the position and the end, if anything does, are
        marks of transactions, which no consumer is given. False also when the client does not say.
        """
        if partition not in self.standings or not self.idle.is_set():
            return False
        try:
            async with asyncio.timeout(POSITION_SECONDS):
                return (await self._fetch_position(partition) or 0) >= end
        except (KafkaError, TimeoutError):
            return False

    async def _chunk(self, records: Sequence[Incoming]) -> None:
        while current := self._still_expected(records):
            self._check_time()
            try:
                await self._settle(await self._chunks.apply(current, self._expected(current)))
            except Exception as error:  # noqa: BLE001 - whatever a handler raises, its message is disposed of below
                if is_connection_trouble(error) and await self._outlast():
                    continue
                self._metrics.consumer_chunk_fallbacks.labels(consumer=self.consumer.name).inc()
                for incoming in current:
                    await self._alone(incoming)
            return

    async def _alone(self, incoming: Incoming) -> None:
        """One record, one transaction, from a fresh load; parked when repeating it does not help."""
        self._check_time()
        attempts, delay = 0, BACKOFF_SECONDS[0]
        verdicts: dict[int, Verdict] = {}
        while self._still_expected([incoming]):
            self._check_interruption()
            try:
                await self._settle(await self._chunks.apply([incoming], self._expected([incoming]), verdicts=verdicts))
            except PartitionBlocked as blocked:
                self.pause(blocked.partition, blocked.cause, blocked.why)
                return
            except Exception as error:  # noqa: BLE001 - same
                if is_connection_trouble(error) and await self._outlast():
                    continue
                attempts += 1
                if is_worth_repeating(error) and attempts < ALONE_ATTEMPTS:
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, BACKOFF_SECONDS[1])
                elif verdicts:
                    why = f"offset {incoming.record.offset} can neither be applied nor parked: {type(error).__name__}"
                    self.pause(incoming.record.partition, Cause.BLOCKED, why)
                    return
                else:
                    verdicts[0] = verdict_on(error)
                    self._log_parked(incoming, verdicts[0])
                continue
            return

    def _still_expected(self, records: Iterable[Incoming]) -> list[Incoming]:
        """Without the records whose partition was revoked, refused or sought elsewhere since they were admitted."""
        following: dict[Partition, int] = {}
        kept: list[Incoming] = []
        for incoming in records:
            partition, offset = incoming.record.partition, incoming.record.offset
            standing = self.standings.get(partition)
            if standing is None or standing.sought or offset < following.get(partition, standing.expected):
                continue
            kept.append(incoming)
            following[partition] = offset + 1
        return kept

    def _expected(self, records: Iterable[Incoming]) -> dict[Partition, int]:
        return {i.record.partition: self.standings[i.record.partition].expected for i in records}

    async def _settle(self, result: ChunkResult) -> None:
        """Moves the expectations past what was committed; a lost partition is taken up where its row says, a held one waits."""
        self._disposed += len(result.outcomes)
        for partition in {incoming.record.partition for incoming, _ in result.outcomes} | result.lost:
            self._end_pause(partition)
        for incoming, _ in result.outcomes:
            standing = self.standings.get(incoming.record.partition)
            if standing is not None and not standing.sought:  # else it was taken up anew meanwhile, from a position read before this commit
                standing.expected = max(standing.expected, incoming.record.offset + 1)
        for partition in result.held:
            self.pause(partition, Cause.HELD, "the transaction of another process holds the position")
        if result.lost:
            await self._take_up(result.lost)

    async def _take_up(self, lost: set[Partition]) -> None:
        log.warning("positions were moved by somebody else", consumer=self.consumer.name, partitions=[f"{t}/{n}" for t, n in sorted(lost)])
        async with self.transactions.database.connect() as connection:
            stored = await positions.of_consumer(connection, self.consumer.name)
        for partition in lost:
            if partition in stored and partition in self.standings:
                self.seek(partition, stored[partition].next_offset)

    @property
    def handled(self) -> int:
        """Messages whose handler has returned, whatever became of their transaction."""
        return self._chunks.handled

    def moved(self) -> bool:
        """Whether anything was disposed of since this was last asked."""
        before, self._disposed_when_asked = self._disposed_when_asked, self._disposed
        return self._disposed != before

    def take(self, partition: Partition, standing: Standing, client: KafkaClient) -> None:
        """A verified partition runs: from its stored position, nothing fetched before."""
        self._client = client
        self._end_pause(partition)
        self.standings[partition] = standing
        tp = TopicPartition(*partition)
        client.seek(tp, standing.expected)
        client.resume(tp)

    def forget_all(self) -> None:
        """Nothing is assigned any more, or everything is assigned anew."""
        self.standings.clear()
        self.refused.clear()
        self.pauses.clear()
        self._show_refused()
        self._show_paused()

    def seek(self, partition: Partition, offset: int) -> None:
        """From now on `offset` is expected; whatever of the partition was fetched before is dropped."""
        standing = self.standings.get(partition)
        tp = TopicPartition(*partition)
        if standing is None or self._client is None or tp not in self._client.assignment():
            return
        standing.expected, standing.sought = offset, True
        self._client.seek(tp, offset)

    def _seek_back(self) -> None:
        for partition, standing in self.standings.items():
            self.seek(partition, standing.expected)

    def set_aside(self, partition: Partition) -> None:
        """Nothing of the partition is worked on until it is taken up again."""
        self.standings.pop(partition, None)
        self._end_pause(partition)
        if self.refused.pop(partition, None) is not None:
            self._show_refused()
        self._pause_client(partition)

    def refuse(self, partition: Partition, why: str) -> None:
        """The partition stays paused until an operator has looked: `klaster positions reset`."""
        self.set_aside(partition)
        log.error(
            "partition refused; see the runbook PartitionRefused",
            consumer=self.consumer.name,
            partition=f"{partition.topic}/{partition.number}",
            why=why,
        )
        self.refused[partition] = why
        self._show_refused()

    def pause(self, partition: Partition, cause: Cause, why: str) -> None:
        """The partition comes again from where it stands, after a while that doubles until something of it is disposed of."""
        standing = self.standings.get(partition)
        if standing is None:
            return
        self.seek(partition, standing.expected)
        self._pause_client(partition)
        if partition not in self.pauses:
            place = f"{partition.topic}/{partition.number}"
            log.warning("partition paused; the others go on", consumer=self.consumer.name, partition=place, why=why)
        self.pauses.begin(partition, cause, why, asyncio.get_running_loop().time())
        self._show_paused()

    def resume_due(self) -> None:
        """Tries paused partitions again whose time has come; to be called about every second."""
        for partition in self.pauses.end_due(asyncio.get_running_loop().time()):
            tp = TopicPartition(*partition)
            if partition in self.standings and tp in self._client.assignment():
                self._client.resume(tp)

    def _end_pause(self, partition: Partition) -> None:
        if self.pauses.end(partition):
            self._show_paused()

    def _pause_client(self, partition: Partition) -> None:
        tp = TopicPartition(*partition)
        if self._client is not None and tp in self._client.assignment():
            self._client.pause(tp)

    async def _outlast(self) -> bool:
        """True when the own database answers again, False when it answers already (the failure was not its absence).

        Waits while it is away; after `BATCH_SECONDS` the batch is given back by a seek, so that the client polls.
        """
        database = self.transactions.database
        if await database.answers():
            return False
        log.warning("own database does not answer; the batch waits", consumer=self.consumer.name)
        while not await database.answers():
            self._check_time()
            await asyncio.sleep(0.5)
        return True

    def _show_refused(self) -> None:
        self._metrics.consumer_refused_partitions.labels(consumer=self.consumer.name).set(len(self.refused))

    def _show_paused(self) -> None:
        self._metrics.consumer_paused_partitions.labels(consumer=self.consumer.name).set(len(self.pauses))
        self._metrics.parked_quota_stopped.labels(consumer=self.consumer.name).set(self.pauses.caused_by(Cause.QUOTA))

    def _check_interruption(self) -> None:
        if self.interrupted:
            raise Interrupted

    def _check_time(self) -> None:
        self._check_interruption()
        if asyncio.get_running_loop().time() > self._deadline:
            self._seek_back()
            raise Interrupted

    def _log_parked(self, incoming: Incoming, verdict: Verdict) -> None:
        record = incoming.record
        log.warning(
            "message parked",
            consumer=self.consumer.name,
            topic=record.partition.topic,
            partition=record.partition.number,
            offset=record.offset,
            type=incoming.label,
            reason=verdict.reason,
            state=verdict.state.value,
        )
