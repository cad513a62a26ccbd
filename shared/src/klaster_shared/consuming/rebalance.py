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
from aiokafka.errors import KafkaError

from klaster_shared.consuming import positions
from klaster_shared.consuming.positions import Partition, Position
from klaster_shared.consuming.runner import KafkaClient, Runner, Standing
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.errors import Unavailable
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
        metrics: Metrics,
    ) -> None:
        self._runner = runner
        self._client = client
        self._identities = identities
        self._commit = commit
        self._metrics = metrics
        self._assignment = 0
        self._task: asyncio.Task[None] | None = None

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's signature
        """Lets the batch in hand end, commits its offsets, forgets every expectation."""
        self._assignment += 1
        self._runner.interrupted = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._runner.idle.wait(), IN_HAND_SECONDS)
        await self._commit()
        self._runner.forget_all()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        client = self._client()
        client.pause(*assigned)
        self._assignment += 1
        self._runner.forget_all()
        self._runner.interrupted = False
        self._metrics.consumer_rebalances.labels(consumer=self._runner.consumer.name).inc()
        self._verify_in_background(client, set(assigned))

    def recheck_refused(self) -> None:
        """Partitions refused while they ran are verified again and again, so that an operator's reset takes effect."""
        if self._runner.refused and (self._task is None or self._task.done()):
            self._verify_in_background(self._client(), {TopicPartition(*p) for p in self._runner.refused})

    async def check_identities(self) -> None:
        """Refuses running partitions whose topic was deleted and created again under the same name."""
        runner = self._runner
        running = set(runner.standings)
        try:
            identities = await self._identities.of({p.topic for p in running})
            async with runner.transactions.database.connect() as connection:
                stored = await positions.of_consumer(connection, runner.consumer.name)
        except (KafkaError, OSError, Unavailable, TimeoutError):
            return  # looked at again in a minute
        for partition in running & set(runner.standings):
            identity = identities.get(partition.topic)
            if identity is not None and stored[partition].topic_id not in {None, identity}:
                runner.refuse(partition, "the topic was deleted and created again")

    def cancel(self) -> None:
        """Ends a verification that is under way."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _verify_in_background(self, client: KafkaClient, partitions: set[TopicPartition]) -> None:
        self.cancel()
        self._task = asyncio.create_task(self._verify(client, partitions, self._assignment), name=f"verify {self._runner.consumer.name}")

    async def _verify(self, client: KafkaClient, assigned: set[TopicPartition], assignment: int) -> None:
        delay = RETRY_SECONDS[0]
        open_ = set(assigned)
        while open_ and assignment == self._assignment:
            try:
                open_ -= await self._verify_once(client, open_, assignment)
                delay = RETRY_SECONDS[1]  # what is left is refused; an operator's reset is noticed at this pace
            except (KafkaError, OSError, Unavailable, TimeoutError) as error:
                log.warning("assignment not verified yet", consumer=self._runner.consumer.name, failure=type(error).__name__)
                delay = min(delay * 2, RETRY_SECONDS[1])
            if open_:
                await asyncio.sleep(delay)

    async def _verify_once(self, client: KafkaClient, assigned: set[TopicPartition], assignment: int) -> set[TopicPartition]:
        """The partitions that now run."""
        starts = await client.beginning_offsets(list(assigned))
        ends = await client.end_offsets(list(assigned))
        identities = await self._identities.of({tp.topic for tp in assigned})
        stored = await self._stored(starts, identities)
        running: set[TopicPartition] = set()
        for tp in assigned:
            if assignment != self._assignment or tp not in client.assignment():
                break
            partition = Partition(tp.topic, tp.partition)
            why = misfit(stored[partition], start=starts[tp], end=ends[tp], identity=identities.get(tp.topic))
            if why is not None:
                self._runner.refuse(partition, why)
                continue
            self._runner.take(partition, Standing(stored[partition].next_offset), client)
            running.add(tp)
        return running

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


def misfit(position: Position, *, start: int, end: int, identity: str | None) -> str | None:
    """Why a stored position does not belong to the log that is there; None when it does."""
    if identity is not None and position.topic_id not in {None, identity}:
        return "the topic was deleted and created again"
    if position.next_offset < start:
        return f"the log starts at {start}, the position is {position.next_offset}: messages were deleted before they were read"
    if position.next_offset > end:
        return f"the log ends at {end}, the position is {position.next_offset}: the log was truncated or created again"
    return None
