"""A consumer group in memory: members, rebalances, and members that are put out without knowing it.

The one rule: the group waits for a member's revoke listener only while the member is alive and in time; then it moves on, and the
member goes on working on what it had. Positions of the client, the group's committed offsets and what the product stores are
three different things here as there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaConnectionError

from klaster_shared.testing.simulation.broker import Broker
from klaster_shared.testing.simulation.event_loop import Process

SESSION_SECONDS = 10.0
REBALANCE_SECONDS = 60.0
POLL_SECONDS = 0.25
MOST_FETCHED = 6

type Handle = Callable[[Sequence[Any], "SimulatedClient"], Awaitable[None]]


class Group:
    """The coordinator. A task of no process."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.broker = broker
        self.topic = topic
        self.committed: dict[TopicPartition, int] = {}
        self.is_moving = False
        self._members: list[SimulatedClient] = []
        self._wanted = asyncio.Event()

    def rebalance(self) -> None:
        self._wanted.set()

    def join(self, member: "SimulatedClient") -> None:
        self._members.append(member)
        self.rebalance()

    def leave(self, member: "SimulatedClient") -> None:
        if member in self._members:
            self._members.remove(member)
            self.rebalance()

    async def run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self.is_moving = True
            await self._move()
            self.is_moving = False

    async def _move(self) -> None:
        loop, random = asyncio.get_running_loop(), self.broker.hazards.random
        asked = [(member, member.process.spawn(member.give_up(), name="revoked")) for member in self._members]
        deadline = loop.time() + REBALANCE_SECONDS
        while any(not task.done() and member.is_heard for member, task in asked) and loop.time() < deadline:  # noqa: ASYNC110 - silence is no event
            await asyncio.sleep(POLL_SECONDS)
        joined = [member for member, task in asked if task.done() and member.is_heard and member in self._members]
        for member, task in asked:
            if member not in joined and not member.process.dead:
                task.add_done_callback(lambda _: self.rebalance())  # it comes back when it has found out
        places = [TopicPartition(self.topic, n) for n in range(self.broker.partitions)]
        shares: dict[SimulatedClient, set[TopicPartition]] = {member: set() for member in joined}
        for place in places:
            if joined:
                shares[random.choice(joined)].add(place)
        for member, share in shares.items():
            member.process.spawn(member.take(share), name="assigned")


class SimulatedClient:
    """What the product sees of an AIOKafkaConsumer, and the loop that FastStream runs around it."""

    _coordinator = None
    """Its place in the group's protocol, which the product looks at only with a static membership."""

    def __init__(self, group: Group, process: Process, listener: Any, handle: Handle) -> None:
        self.process = process
        self._group = group
        self._broker = group.broker
        self._listener = listener
        self._handle = handle
        self._assigned: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._steady: set[TopicPartition] = set()
        """Has delivered since its last seek: only such a one is thrown back, since a second time in a row means another log."""
        self._changing = False

    @property
    def is_heard(self) -> bool:
        """Whether the group still gets heartbeats."""
        now = asyncio.get_running_loop().time()
        return not self.process.dead and self.process.frozen_until - now < SESSION_SECONDS

    async def give_up(self) -> None:
        self._changing = True
        await self._listener.on_partitions_revoked(set(self._assigned))

    async def take(self, share: set[TopicPartition]) -> None:
        self._assigned = share
        self._paused.clear()
        self._steady.clear()
        self._positions = {tp: self._group.committed.get(tp, 0) for tp in share}
        self._changing = False
        await self._listener.on_partitions_assigned(set(share))

    async def run(self) -> None:
        """Fetches and hands over, one batch after the other."""
        hazards = self._broker.hazards
        while True:
            batch = [] if self._changing or self._broker.away else self._fetched()
            if batch:
                await hazards.before(self.process, f"fetched {len(batch)}")
                await self._handle(batch, self)
            else:
                await asyncio.sleep(POLL_SECONDS)

    def _fetched(self) -> list[Any]:
        hazards = self._broker.hazards
        batch: list[Any] = []
        places = sorted(self._assigned - self._paused)
        hazards.random.shuffle(places)
        for tp in places:
            if tp in self._steady and hazards.strikes(hazards.rates.thrown_back):
                self._throw(tp)
            waiting = [r for r in self._broker.log((tp.topic, tp.partition)).records if r.offset >= self._positions[tp]]
            if waiting:
                run = waiting[: hazards.random.randint(1, min(len(waiting), MOST_FETCHED))]
                self._positions[tp] = run[-1].offset + 1
                self._steady.add(tp)
                batch += run
        return batch

    def _throw(self, tp: TopicPartition) -> None:
        """To where it did not ask to be. Forth only where something lies behind: that is how the product finds out."""
        hazards = self._broker.hazards
        hazards.count(self.process, "client thrown back or forth")
        self._steady.discard(tp)
        ahead = [r.offset for r in self._broker.log((tp.topic, tp.partition)).records if r.offset > self._positions[tp]]
        self._positions[tp] = hazards.random.choice((0, self._group.committed.get(tp, 0), *ahead))

    def assignment(self) -> set[TopicPartition]:
        return set(self._assigned)

    async def position(self, tp: TopicPartition) -> int:
        if tp not in self._assigned:
            raise IllegalStateError(f"{tp} is not assigned")
        return self._positions[tp]

    def seek(self, tp: TopicPartition, offset: int) -> None:
        if tp not in self._assigned:
            raise IllegalStateError(f"{tp} is not assigned")
        self._positions[tp] = offset
        self._steady.discard(tp)

    def pause(self, *places: TopicPartition) -> None:
        self._paused |= set(places) & self._assigned

    def resume(self, *places: TopicPartition) -> None:
        self._paused -= set(places)

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def highwater(self, tp: TopicPartition) -> int:
        return self._broker.log((tp.topic, tp.partition)).end

    async def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await self._asked("log starts")
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await self._asked("log ends")
        return {tp: self.highwater(tp) for tp in places}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await self._asked("commit offsets")
        self._group.committed.update({tp: offset for tp, offset in offsets.items() if tp in self._assigned})
        await self._broker.hazards.after(self.process, "commit offsets")

    async def _asked(self, what: str) -> None:
        hazards = self._broker.hazards
        await hazards.before(self.process, what)
        if self._broker.away or hazards.strikes(hazards.rates.lost_connection):
            raise KafkaConnectionError


class Identities:
    """What the product asks about topics."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process

    async def of(self, topics: Iterable[str]) -> dict[str, str]:
        await self._broker.hazards.before(self._process, "topic ids")
        if self._broker.away:
            raise KafkaConnectionError
        return {topic: f"id of {topic}" for topic in sorted(topics)}
