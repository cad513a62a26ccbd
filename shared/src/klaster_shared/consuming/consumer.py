"""One consumer of a service as a component: FastStream's subscription, the runner behind it, and their upkeep.

FastStream gives the lifecycle, the group and its own metrics; what a record means and when it is done is the runner's. The
service starts and accepts commands while the broker is away: the subscription is tried again and again in the background.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
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
from klaster_shared.consuming.quota import Quota
from klaster_shared.consuming.rebalance import Rebalance, member_of
from klaster_shared.consuming.runner import KafkaClient, Runner, Standing
from klaster_shared.consuming.standstill import ConsumerLook
from klaster_shared.consuming.tolerance import survive_unreadable_names
from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.kafka import TopicIdentities
from klaster_shared.lifecycle import WORK_SECONDS, Role
from klaster_shared.observability.metrics import Metrics

COMMIT_SECONDS = 5.0
# A stop has lifecycle.WORK_SECONDS in all: for the batch in hand, for its offsets, for leaving the group, for ending what hangs in that.
LAST_COMMIT_SECONDS = 0.5
LEAVE_SECONDS = 1.5
GRACE_SECONDS = 0.5
FINISH_SECONDS = WORK_SECONDS - LAST_COMMIT_SECONDS - LEAVE_SECONDS - 2 * GRACE_SECONDS
UPKEEP_SECONDS = 1.0
RESETS_SECONDS = 2.0
IDENTITY_SECONDS = 60.0
START_BACKOFF_SECONDS = (0.5, 10.0)
JOIN_SECONDS = 120.0
"""A join waits for the slowest member, a rebalance timeout at most; one that takes longer has lost its way, and begins anew."""
SESSION_MS = 10_000
HEARTBEAT_MS = 300
"""A member hears in the answer to a heartbeat that another one has left: this is how long its partitions wait. Three small requests a second."""
REBALANCE_MS = 60_000
MAX_POLL_MS = 300_000
"""A client that does not poll for so long is put out of its group: the batch in hand was too long (see `runner.BATCH_SECONDS`)."""
NAMESAKE_SECONDS = 5.0
"""How often a process whose instance id another one uses looks whether the id is free again."""

log = structlog.get_logger(__name__)


class RunningConsumer[W: UnitOfWork]:
    """Started by the application; `report` says whether its group is joined and what is refused."""

    role = Role.CONSUMERS

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
        quota: Quota | None = None,
    ) -> None:
        """`instance`: KLASTER_INSTANCE_ID; with it the group membership is static, and the id must be this process's alone."""
        self.consumer = consumer
        self._servers = servers
        self._instance = None if instance is None else f"{instance}.{consumer.name}"
        self._metrics = metrics
        self._identities = identities
        self._middleware = middleware
        self._runner = Runner(ChunkApplier(consumer, transactions, metrics, quota), metrics)
        self._rebalance = Rebalance(
            self._runner, client=self._kafka, identities=identities, commit=self._commit, before_joining=self._make_way_for_namesake, metrics=metrics
        )
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._committed: dict[Partition, int] = {}
        self._shown: set[Partition] = set()
        self._replaced = asyncio.Event()
        self._trouble: str | None = "not started"

    async def start(self) -> None:
        self._show_fenced(False)
        self._tasks = [
            asyncio.create_task(self._be_member(), name=f"subscribe {self.consumer.name}"),
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

    def for_watchdog(self) -> ConsumerLook[W]:
        return ConsumerLook(self._runner, self._kafka, self._identities.cluster)

    def report(self) -> dict[str, Any]:
        refused, paused = _named(self._runner.refused), _named(self._runner.pauses.reasons())
        return {
            "component": f"consumer {self.consumer.name}",
            "ok": self._trouble is None and not refused and not paused,
            "partitions": len(self._runner.standings),
            "refused": refused,
            "paused": paused,
            "trouble": self._trouble,
        }

    async def _be_member(self) -> None:
        """Joins the group, and joins again when the process that took this one's place is gone."""
        while True:
            await self._subscribe()
            await self._replaced.wait()
            await self._stand_aside()

    async def _make_way_for_namesake(self) -> None:
        """Asked before the group is joined again. Kafka gives the place of a static member to whoever joins under its instance id last. If
        the loser, who learns of it by being unknown, joined again, the two would throw each other out twice a second, for ever (tried).
        """
        if self._instance is None or self._rebalance.member is None or member_of(self._kafka()) is not None:
            return
        try:
            successor = await self._successor()
        except KafkaError:
            return  # whoever cannot be asked lets nobody join, either
        if successor not in {None, self._rebalance.member}:
            self._replaced.set()
            await asyncio.Future()  # until the client is closed: it joins as soon as this returns

    async def _stand_aside(self) -> None:
        self._replaced.clear()
        self._trouble = f"another process works under the instance id of this one, {self._instance}"
        log.error("another process took this one's place; see the runbook InstanceIdTaken", consumer=self.consumer.name, instance=self._instance)
        self._show_fenced(True)
        await self._leave()
        self._show_lags({})
        while await self._is_taken():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(NAMESAKE_SECONDS)
        self._show_fenced(False)

    async def _is_taken(self) -> bool:
        try:
            return await self._successor() is not None
        except KafkaError:
            return True  # as far as anybody knows

    async def _successor(self) -> str | None:
        """The member that works under this one's instance id."""
        return await self._identities.cluster.member_under(self.consumer.name, self._instance or "")

    def _show_fenced(self, fenced: bool) -> None:  # noqa: FBT001 - a state, not a choice of behaviour
        self._metrics.consumer_fenced.labels(consumer=self.consumer.name).set(int(fenced))

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
            logger=logging.getLogger("kafka.faststream"),  # not under `faststream`, which writes coloured lines of its own
            log_level=logging.DEBUG,  # two lines for each batch
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
            group_instance_id=self._instance,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_records=500,
            batch_timeout_ms=10,
            session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            max_poll_interval_ms=MAX_POLL_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
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
        async with asyncio.timeout(JOIN_SECONDS):
            await broker.start()

    async def _handle(self, records: Sequence[ConsumerRecord]) -> None:
        await self._runner.handle(records, self._kafka())

    async def _leave(self) -> None:
        broker, self._broker = self._broker, None
        if broker is None:
            return
        leaving = asyncio.create_task(broker.stop(), name=f"leave {self.consumer.name}")
        try:
            await asyncio.wait([leaving], timeout=LEAVE_SECONDS)
        finally:
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
        reached(CrashPoint.BEFORE_OFFSET_COMMIT)
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
        self._runner.resume_due()
        await self._show_lag()
        await self._commit()

    async def _show_lag(self) -> None:
        client, name, now = self._kafka(), self.consumer.name, time.time()
        assigned = client.assignment()
        standings = {p: s for p, s in self._runner.standings.items() if TopicPartition(*p) in assigned}
        behind = {p: await self._behind(p, s) for p, s in standings.items()}
        self._show_lags(behind)
        late = [standings[p].timestamp for p, lag in behind.items() if lag and standings[p].timestamp]
        self._metrics.consumer_lag_seconds.labels(consumer=name).set(max(0.0, now - min(late)) if late else 0.0)
        if not any(behind.values()) or self._runner.moved():
            self._metrics.consumer_last_progress.labels(consumer=name).set(now)

    def _show_lags(self, behind: Mapping[Partition, int]) -> None:
        lags, name = self._metrics.consumer_lag_messages, self.consumer.name
        for gone in self._shown - behind.keys():
            lags.remove(name, gone.topic, str(gone.number))
        for partition, lag in behind.items():
            lags.labels(consumer=name, topic=partition.topic, partition=str(partition.number)).set(lag)
        self._shown = set(behind)

    async def _behind(self, partition: Partition, standing: Standing) -> int:
        """By the client's own word, which costs no request. Marks of transactions at the end of the log are nobody's messages."""
        end = self._kafka().highwater(TopicPartition(*partition)) or 0
        return 0 if await self._runner.has_fetched(partition, end) else max(0, end - standing.expected)


def _named(reasons: Mapping[Partition, str]) -> dict[str, str]:
    return {f"{partition.topic}/{partition.number}": why for partition, why in reasons.items()}


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
