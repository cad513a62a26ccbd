"""One consumer of a service as a component: FastStream's subscription, the runner behind it, and their upkeep.

FastStream gives the lifecycle, the group and its own metrics; what a record means and when it is done is the runner's. The
service starts and accepts commands while the broker is away: the subscription is tried again and again in the background.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from klaster_shared.consuming.chunk import ChunkApplier
from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.parser import undecoded, whole_batch
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.rebalance import Rebalance
from klaster_shared.consuming.runner import KafkaClient, Runner
from klaster_shared.consuming.tolerance import survive_unreadable_names
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.kafka import TopicIdentities
from klaster_shared.observability.metrics import Metrics

COMMIT_SECONDS = 5.0
# A stop has ten seconds in all (web/lifespan.py): for the batch in hand, for its offsets, and for leaving the group.
FINISH_SECONDS = 4.0
LAST_COMMIT_SECONDS = 1.0
LEAVE_SECONDS = 2.0
GRACE_SECONDS = 1.0
UPKEEP_SECONDS = 1.0
RESETS_SECONDS = 2.0
IDENTITY_SECONDS = 60.0
START_BACKOFF_SECONDS = (0.5, 10.0)
SESSION_MS = 10_000

log = structlog.get_logger(__name__)


class RunningConsumer[W: UnitOfWork]:
    """Started by the application; `report` says whether its group is joined and what is refused."""

    def __init__(
        self,
        consumer: Consumer,
        transactions: Transactions[W],
        *,
        servers: str,
        instance: str | None,
        metrics: Metrics,
        identities: TopicIdentities,
        middleware: KafkaPrometheusMiddleware,
    ) -> None:
        """`instance`: KLASTER_INSTANCE_ID; with it the group membership is static, and the id must be this process's alone."""
        self.consumer = consumer
        self._servers = servers
        self._instance = instance
        self._metrics = metrics
        self._identities = identities
        self._middleware = middleware
        self._runner = Runner(ChunkApplier(consumer, transactions, metrics), metrics)
        self._rebalance = Rebalance(self._runner, client=self._kafka, identities=identities, commit=self._commit, metrics=metrics)
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._committed: dict[Partition, int] = {}
        self._shown: set[Partition] = set()
        self._trouble: str | None = "not started"

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._subscribe(), name=f"subscribe {self.consumer.name}"),
            asyncio.create_task(self._upkeep(), name=f"upkeep {self.consumer.name}"),
        ]

    async def stop(self) -> None:
        """Ends the batch in hand, commits, leaves the group; each step has its limit."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._rebalance.stop()
        self._runner.interrupted = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._runner.idle.wait(), FINISH_SECONDS)
        await self._commit(LAST_COMMIT_SECONDS)
        await self._leave()
        self._runner.forget_all()

    def report(self) -> dict[str, Any]:
        refused = {f"{p.topic}/{p.number}": why for p, why in self._runner.refused.items()}
        return {
            "component": f"consumer {self.consumer.name}",
            "ok": self._trouble is None and not refused,
            "partitions": len(self._runner.standings),
            "refused": refused,
            "trouble": self._trouble,
        }

    async def _subscribe(self) -> None:
        delay = START_BACKOFF_SECONDS[0]
        while True:
            try:
                await self._join()
            except Exception as error:  # noqa: BLE001 - whatever keeps it out, a consumer that is not in its group tries again and says so
                reason = type(error).__name__
                if reason != self._trouble:
                    log.warning("consumer cannot join its group; it tries again", consumer=self.consumer.name, servers=self._servers, failure=reason)
                self._trouble = reason
                await self._leave()  # a half-started consumer would go on unfenced
                await asyncio.sleep(delay)
                delay = min(delay * 2, START_BACKOFF_SECONDS[1])
            else:
                self._trouble = None
                log.info("consumer joined its group", consumer=self.consumer.name)
                return

    async def _join(self) -> None:
        broker = KafkaBroker(
            self._servers,
            apply_types=False,
            logger=logging.getLogger("faststream.kafka"),
            middlewares=[self._middleware],
            client_id=self.consumer.name,
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=GRACE_SECONDS,
            request_timeout_ms=10_000,
            metadata_max_age_ms=10_000,
            retry_backoff_ms=250,
        )
        subscriber = broker.subscriber(
            *self.consumer.topics,
            batch=True,
            group_id=self.consumer.name,
            group_instance_id=None if self._instance is None else f"{self._instance}.{self.consumer.name}",
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_records=500,
            batch_timeout_ms=10,
            session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=60_000,
            heartbeat_interval_ms=1_000,
            isolation_level="read_committed",
            partition_assignment_strategy=[StickyPartitionAssignor],
            listener=self._rebalance,
            parser=whole_batch,
            decoder=undecoded,
            no_reply=True,
        )
        subscriber(self._handle)
        self._broker, self._subscriber = broker, subscriber
        self._runner.interrupted = False
        self._rebalance.start()
        survive_unreadable_names()
        await broker.start()

    async def _handle(self, records: Sequence[ConsumerRecord]) -> None:
        await self._runner.handle(records, self._kafka())

    async def _leave(self) -> None:
        broker, self._broker = self._broker, None
        if broker is None:
            return
        leaving = asyncio.create_task(broker.stop(), name=f"leave {self.consumer.name}")
        await asyncio.wait([leaving], timeout=LEAVE_SECONDS)
        client = self._kafka()
        if client is not None:  # still there: stop() hangs, or a cancellation inside it was taken for its end
            leaving.cancel()
            await hard_leave(client)
        self._subscriber = None

    def _kafka(self) -> KafkaClient:
        return None if self._subscriber is None else self._subscriber.consumer

    async def _commit(self, within: float = COMMIT_SECONDS) -> None:
        """Tells the broker how far the positions are, for tools that look there; a failure changes nothing."""
        client = self._kafka()
        if client is None:
            return
        assigned = client.assignment()
        offsets = {
            p: s.expected for p, s in self._runner.standings.items() if TopicPartition(*p) in assigned and self._committed.get(p) != s.expected
        }
        if not offsets:
            return
        try:
            await asyncio.wait_for(client.commit({TopicPartition(*p): offset for p, offset in offsets.items()}), within)
        except (KafkaError, TimeoutError, OSError) as error:
            log.info("offset commit did not get through; the position rows are the truth", consumer=self.consumer.name, failure=type(error).__name__)
        else:
            self._committed.update(offsets)

    async def _upkeep(self) -> None:
        """Lag and offsets every second, positions set by an operator every other, once a minute whether the topics are the same ones."""
        duties = [(UPKEEP_SECONDS, self._report_progress), (RESETS_SECONDS, self._rebalance.take_up_resets)]
        duties.append((IDENTITY_SECONDS, self._rebalance.check_identities))
        due = {duty: time.monotonic() + every for every, duty in duties}
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            for every, duty in duties:
                if time.monotonic() < due[duty] or self._kafka() is None or self._runner.interrupted:
                    continue
                due[duty] = time.monotonic() + every
                try:
                    await duty()
                except Exception as error:  # noqa: BLE001 - upkeep that ended would stop lag, offsets and checks, and nobody would hear of it
                    log.info("upkeep failed, it is repeated", consumer=self.consumer.name, duty=duty.__name__, failure=type(error).__name__)

    async def _report_progress(self) -> None:
        self._show_lag()
        await self._commit()

    def _show_lag(self) -> None:
        client, name, now = self._kafka(), self.consumer.name, time.time()
        assigned = client.assignment()
        standings = {p: s for p, s in self._runner.standings.items() if TopicPartition(*p) in assigned}
        behind = {p: max(0, (client.highwater(TopicPartition(*p)) or 0) - s.expected) for p, s in standings.items()}
        lags = self._metrics.consumer_lag_messages
        for gone in self._shown - behind.keys():
            lags.remove(name, gone.topic, str(gone.number))
        for partition, lag in behind.items():
            lags.labels(consumer=name, topic=partition.topic, partition=str(partition.number)).set(lag)
        self._shown = set(behind)
        late = [standings[p].timestamp for p, lag in behind.items() if lag and standings[p].timestamp]
        self._metrics.consumer_lag_seconds.labels(consumer=name).set(max(0.0, now - min(late)) if late else 0.0)
        if not any(behind.values()) or self._runner.moved():
            self._metrics.consumer_last_progress.labels(consumer=name).set(now)


async def hard_leave(client: KafkaClient) -> None:
    """Ends a client whose stop() did not: it would stay a member of the group, holding partitions nobody works on.

    It uses private attributes of aiokafka, because the public stop() waits for answers of the broker; a test holds that seam.
    """
    coordinator, fetcher = client._coordinator, client._fetcher  # noqa: SLF001 - see above
    tasks = [] if coordinator is None else [coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task]  # noqa: SLF001
    tasks += [] if fetcher is None else [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001 - same
    living = [task for task in tasks if task is not None and not task.done()]
    for task in living:
        task.cancel()
    await client._client.close()  # noqa: SLF001 - same
    if living:
        await asyncio.wait(living, timeout=GRACE_SECONDS)
