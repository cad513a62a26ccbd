"""What happens when partitions come and go.

The one rule: on assignment nothing is awaited but a pause (aiokafka sends no heartbeat while the listener runs); a task of
its own verifies each partition against the stored position, seeks, and only then lets records through. On revoke the
listener waits for the batch in hand, because the group does not move on before it returns.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition

from klaster_shared.consuming import positions
from klaster_shared.consuming.positions import Partition, Position, misfit
from klaster_shared.consuming.runner import KafkaClient, Runner, Standing
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.kafka import TopicIdentities
from klaster_shared.observability.metrics import Metrics

IN_HAND_SECONDS = 20.0
"""How long a revoke waits for the batch in hand; well under the rebalance timeout."""
RETRY_SECONDS = (0.2, 5.0)

log = structlog.get_logger(__name__)


class Rebalance[W: UnitOfWork](ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    def __init__(
        self,
        runner: Runner[W],
        *,
        client: Callable[[], KafkaClient],
        identities: TopicIdentities,
        commit: Callable[[], Awaitable[None]],
        before_joining: Callable[[], Awaitable[None]],
        metrics: Metrics,
    ) -> None:
        """`before_joining` is awaited at each revoke, when everything is given back and before the group is joined again."""
        self._runner = runner
        self._client = client
        self._identities = identities
        self._commit = commit
        self._before_joining = before_joining
        self._metrics = metrics
        self.member: str | None = None
        """The id under which the group last gave this client partitions; None before the first time."""
        self._assignment = 0
        self._unverified: set[TopicPartition] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Before the group is joined."""
        self._stopped = False
        self.member = None

    def stop(self) -> None:
        """Nothing is verified any more, whatever the group still assigns to us while we leave it."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's signature
        """Lets the batch in hand end, commits its offsets, forgets every expectation."""
        self._assignment += 1
        self._runner.interrupted = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._runner.idle.wait(), IN_HAND_SECONDS)
        await self._commit()
        self._runner.forget_all()
        await self._before_joining()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._client().pause(*assigned)
        self.member = member_of(self._client()) or self.member
        self._assignment += 1
        self._runner.forget_all()
        if self._stopped:
            return
        self._runner.interrupted = False
        self._metrics.consumer_rebalances.labels(consumer=self._runner.consumer.name).inc()
        self._unverified = set(assigned)
        self._verify_in_background()

    async def take_up_resets(self) -> None:
        """An operator has set a position: whether the partition was refused or runs, it is verified anew and read from there."""
        runner = self._runner
        async with runner.transactions.database.connect() as connection:
            stored = await positions.of_consumer(connection, runner.consumer.name)
        ours = runner.standings.keys() | runner.refused.keys()
        reset = {p for p in ours if p in stored and stored[p].is_reset}
        for partition in reset:
            runner.set_aside(partition)
            self._unverified.add(TopicPartition(*partition))
        if reset:
            self._verify_in_background()

    async def check_identities(self) -> None:
        """Refuses running partitions whose topic was deleted and created again under the same name."""
        runner = self._runner
        running = set(runner.standings)
        identities = await self._identities.of({p.topic for p in running})
        async with runner.transactions.database.connect() as connection:
            stored = await positions.of_consumer(connection, runner.consumer.name)
        for partition in running & runner.standings.keys() & stored.keys():
            known, found = stored[partition].topic_id, identities.get(partition.topic)
            if known is not None and found is not None and known != found:
                runner.refuse(partition, positions.RECREATED)

    def _verify_in_background(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._verify(self._assignment), name=f"verify {self._runner.consumer.name}")

    async def _verify(self, assignment: int) -> None:
        delay = RETRY_SECONDS[0]
        while self._unverified and assignment == self._assignment:
            try:
                await self._verify_once(assignment)
            except Exception as error:  # noqa: BLE001 - the partitions are ours and paused: nobody else would ever take them up
                log.warning("assignment not verified yet", consumer=self._runner.consumer.name, failure=type(error).__name__)
            if self._unverified:
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_SECONDS[1])

    async def _verify_once(self, assignment: int) -> None:
        """Each partition runs afterwards or is refused; one whose topic the broker does not know is asked for again."""
        client, waiting = self._client(), set(self._unverified)
        starts = await client.beginning_offsets(list(waiting))
        ends = await client.end_offsets(list(waiting))
        identities = await self._identities.of({tp.topic for tp in waiting})
        stored = await self._stored(starts, identities)
        for tp in waiting:
            if assignment != self._assignment or tp not in client.assignment():
                return
            identity = identities.get(tp.topic)
            if identity is None:
                continue
            self._unverified.discard(tp)
            partition = Partition(tp.topic, tp.partition)
            why = misfit(stored[partition], start=starts[tp], end=ends[tp], identity=identity)
            if why is None:
                self._runner.take(partition, Standing(stored[partition].next_offset), client)
            else:
                self._runner.refuse(partition, why)

    async def _stored(self, starts: dict[TopicPartition, int], identities: dict[str, str]) -> dict[Partition, Position]:
        transactions = self._runner.transactions
        async with transactions.database.connect() as connection:
            return await positions.create_missing(
                connection,
                self._runner.consumer.name,
                {Partition(tp.topic, tp.partition): start for tp, start in starts.items()},
                identities,
                transactions.clock.now(),
            )


def member_of(client: KafkaClient) -> str | None:
    """The client's id in its group; None when the group does not know it, which is more than a revoke says.

    A private attribute of aiokafka, because nothing public tells; a test holds that seam.
    """
    coordinator = None if client is None else client._coordinator  # noqa: SLF001 - see above
    return None if coordinator is None else coordinator.member_id or None
