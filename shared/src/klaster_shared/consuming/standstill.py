"""What the watchdog sees of a consumer: what lies in the log, by the broker's own word, and how far the stored positions are.

The one rule: where the log ends is not asked of the client under suspicion. One whose fetching has ended without a word takes the
last end it has heard of for the end of the log.
"""

from collections.abc import Callable

from klaster_shared.consuming import positions
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.runner import KafkaClient, Runner
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.kafka import Cluster
from klaster_shared.watchdog import Look


class ConsumerLook[W: UnitOfWork]:
    def __init__(self, runner: Runner[W], client: Callable[[], KafkaClient], cluster: Cluster) -> None:
        self._runner = runner
        self._client = client
        self._cluster = cluster
        self.name = f"consumer {runner.consumer.name}"

    async def look(self) -> Look | None:
        """None while it holds no partition that should get on: it stands by or says in its report why it has not joined, its partitions
        are refused, or they wait by themselves.
        """
        runner, client = self._runner, self._client()
        if client is None:
            return None
        held = {Partition(tp.topic, tp.partition) for tp in client.assignment()} - runner.refused.keys() - set(runner.pauses)
        if not held:
            return None
        async with runner.transactions.database.connect() as connection:
            stored = await positions.of_consumer(connection, runner.consumer.name)
        ends = await self._cluster.ends(held)
        standing = {p: stored[p].next_offset for p in held & stored.keys()}
        behind = {p: ends[p] - offset for p, offset in standing.items() if ends.get(p, 0) > offset}
        waiting = sum([behind[p] for p in behind if not await runner.has_fetched(p, ends[p])])
        return Look(f"{waiting} messages wait" if waiting else None, (frozenset(standing.items()), runner.handled))
