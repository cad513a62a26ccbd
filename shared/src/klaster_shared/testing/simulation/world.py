"""One run: two processes on one database and one broker, a seed's worth of trouble, then calm, then judgement.

The one rule: what is judged is what others can see (the log, the lines, what is left in tables), never what the code under test
says of itself.
"""

import asyncio
import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

import structlog

from klaster_shared.consuming import retrying
from klaster_shared.consuming.quota import Quota
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.contracts.registry import enclose
from klaster_shared.db.metadata import PLATFORM
from klaster_shared.outbox import floor, recorder, relay, scheduled
from klaster_shared.testing.simulation import service
from klaster_shared.testing.simulation.broker import Broker
from klaster_shared.testing.simulation.database import IDLE_IN_TRANSACTION_SECONDS, Server
from klaster_shared.testing.simulation.event_loop import OF_NOBODY, Frozen, Process, SimulatedLoop
from klaster_shared.testing.simulation.group import SESSION_SECONDS, Group
from klaster_shared.testing.simulation.hazards import CALM, Crash, Freeze, Hazards, Rates, described
from klaster_shared.testing.simulation.service import EPOCH, HEARD, SAID, Code, Instance
from klaster_shared.testing.simulation.storage import Row, Transaction, Values

TROUBLED_SECONDS = 8.0
DRAINING_SECONDS = 1200.0
UNREADABLE = 0.15
"""How often somebody else sends what is no message."""
NAMES = ("fine", "fine", "fine", "fine", "fine", "fine", "break", "refuse", "skip", "huge")
"""Coarser polling than the product's: a run is a minute of virtual time, and an empty look says nothing."""
_POLLING = (
    (relay, "STANDBY_SECONDS", 2.0),
    (floor, "RISE_SECONDS", 0.0),
    (scheduled, "LOOK_SECONDS", 60.0),
    (retrying, "POLL_SECONDS", 2.0),
)


@dataclass(slots=True)
class Verdict:
    """What became of a seed. `broken`: sentences, one for each promise that was not kept; `schedule` is empty unless it was asked for."""

    seed: int
    broken: list[str] = field(default_factory=list)
    happened: dict[str, int] = field(default_factory=dict)
    awaits: int = 0
    schedule: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"seed {self.seed}: {'; '.join(self.broken) or 'all promises kept'} ({described(self.happened)}; {self.awaits} awaits)"


class World:
    """Engines, processes and what is to be done. Made inside the loop."""

    def __init__(
        self, seed: int, loop: SimulatedLoop, *, rates: Rates | None = None, blow: Crash | Freeze | None = None, record: bool = False
    ) -> None:
        self.loop = loop
        self.random = Random(seed)  # noqa: S311 - chance that can be repeated
        self.is_calm = rates is CALM
        until = 0.0 if self.is_calm else TROUBLED_SECONDS
        self.hazards = Hazards(self.random, loop, rates or Rates.drawn(self.random), until=until, blow=blow, record=record)
        self.server = Server(self.hazards, PLATFORM, service.SCHEMA)
        self.broker = Broker(self.hazards, partitions=self.random.choice((1, 2, 3)))
        self.broker.refused.add(b'"huge')
        self.group = Group(self.broker, HEARD)
        self.code = Code()
        self.quota = self.random.choice((Quota(), Quota(), Quota(per_key=3), Quota(per_consumer=4)))
        self.ours = [self._id() for _ in range(self.random.randint(1, 3))]
        self.theirs = [self._id() for _ in range(self.random.randint(0, 2))]
        self.sent: dict[UUID, list[tuple[int, str]]] = {network: [] for network in self.theirs}
        self.commands = [(self.random.choice(self.ours), self._name(n)) for n in range(self.random.randint(4, 14))]
        self.instances: list[Instance] = []
        self._born = 0
        self._seen_broken: list[str] = []
        self.server.store.look = self._look
        self.hazards.freeze = self._freeze

    def _id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def _name(self, number: int) -> str:
        return f"{self.random.choice(NAMES)} {number}"

    async def run(self) -> list[str]:
        """What was promised and not kept."""
        self._create_counters()
        coordinator = self.loop.create_task(self.group.run())
        for name in ("a", "b"):
            self._begin(name)
        foreign = self.loop.create_task(self._send_foreign())
        weather = self.loop.create_task(self._weather())
        await asyncio.sleep(max(self.hazards.until, 1.0))
        await asyncio.wait([foreign, weather])
        self.server.away = self.broker.away = False
        self.code.mended = True
        self.broker.refused.clear()
        broken = await self._drained()
        coordinator.cancel()
        return broken or self._judged()

    def bury(self) -> None:
        for instance in self.instances:
            instance.process.dead = True
            instance.process.bury()

    def _create_counters(self) -> None:
        transaction = Transaction(self.server.store)
        for network in self.ours:
            values: Values = {"id": network, "version": 0}
            transaction.write(self.server.store.tables["counter"].add(values), values)
        transaction.commit()

    def _begin(self, name: str) -> None:
        instance = Instance(self, name)
        self.instances.append(instance)
        instance.process.at_death.append(lambda: self._died(instance, name))
        instance.start()

    def _died(self, instance: Instance, name: str) -> None:
        self.server.left_behind_by(instance.process)
        self.loop.call_later(SESSION_SECONDS, self.group.leave, instance.client, context=OF_NOBODY)
        self._born += 1
        again = f"{name[0]}{self._born}"
        self.loop.call_later(self.random.uniform(0.1, 5.0), self._begin, again, context=OF_NOBODY)

    async def _send_foreign(self) -> None:
        """Somebody else, whose messages come twice now and then, or are not readable at all."""
        for number in range(self.random.randint(0, 10) if self.theirs else 0):
            await asyncio.sleep(self.random.choice((0.0, 0.0, 0.2, 1.5)))
            network = self.random.choice(self.theirs)
            if self.random.random() < UNREADABLE:
                self._append_foreign(self.random.choice([*self.theirs, *self.ours]), b"no message", [])
                continue
            sequence, name = len(self.sent[network]) + 1, self._name(number).replace("huge", "fine")
            message = NetworkRegistered(network_id=network, code="X", name=name)
            now = EPOCH + dt.timedelta(seconds=self.loop.time())
            envelope = enclose(message, id=self._id(), time=now, recorded_time=now, sequence=sequence)
            self.sent[network].append((sequence, name))
            for _ in range(self.random.choice((1, 1, 2))):
                self._append_foreign(network, envelope.data, list(envelope.headers()))

    def _append_foreign(self, network: UUID, value: bytes, headers: list[Any]) -> None:
        key = str(network).encode()
        self.broker.append(self.broker.place_of(HEARD, key), key, value, headers)

    async def _weather(self) -> None:
        """What befalls a whole process or a whole engine."""
        while True:
            await asyncio.sleep(self.random.uniform(0.2, 6.0))
            if self.hazards.is_over:
                return
            event: Callable[[], Any] = self.random.choice((self.group.rebalance, self.group.rebalance, self._restart_database, self._leave_broker))
            event()

    def _freeze(self, process: Process, seconds: float) -> None:
        self.hazards.count(process, "process frozen")
        process.frozen_until = self.loop.time() + seconds
        if seconds > SESSION_SECONDS:
            self.loop.call_later(SESSION_SECONDS, self.group.rebalance, context=OF_NOBODY)
        if seconds > IDLE_IN_TRANSACTION_SECONDS:
            self.loop.call_later(IDLE_IN_TRANSACTION_SECONDS, self.server.end_idle_transactions, process, context=OF_NOBODY)

    def _restart_database(self) -> None:
        self.hazards.count(None, "database restarted")
        self.server.restart()
        self.server.away = True
        self.loop.call_later(self.random.uniform(0.1, 4.0), setattr, self.server, "away", False)

    def _leave_broker(self) -> None:
        self.hazards.count(None, "broker away")
        self.broker.away = True
        self.loop.call_later(self.random.uniform(0.1, 6.0), setattr, self.broker, "away", False)

    async def _drained(self) -> list[str]:
        deadline = self.loop.time() + DRAINING_SECONDS
        while waiting := self._waiting():
            if self.loop.time() > deadline:
                return [f"stuck: {what}" for what in waiting]
            await asyncio.sleep(1.0)
        return []

    def _rows(self, table: str) -> list[Values]:
        return [row.values for row in self.server.store.tables[table].rows.values() if row.values is not None]

    def _waiting(self) -> list[str]:
        positions = {(row["topic"], row["partition"]): row["next_offset"] for row in self._rows("consumer_position")}
        found = [f"{len(rows)} rows in {table}" for table in ("outbox", "parked_message", "parked_gate") if (rows := self._rows(table))]
        found += [
            f"{place} stands at {positions.get(place)} of {log.end}"
            for place, log in self.broker.logs.items()
            if place[0] == HEARD and positions.get(place, 0) != log.end
        ]
        refused = [f"{p}: {why}" for i in self.instances if not i.process.dead for p, why in i.runner.refused.items()]
        return found + [f"refused {r}" for r in refused] + ["commands"] * bool(self.commands)

    def _look(self, row: Row) -> None:
        """At every commit: a position never moves back."""
        before, after = row.values, row.pending
        if row.table.name == "consumer_position" and before and after and after["next_offset"] < before["next_offset"]:
            self._seen_broken.append(f"a position moved from {before['next_offset']} back to {after['next_offset']}")

    def _judged(self) -> list[str]:
        broken = self._seen_broken[:1]
        versions = {row["id"]: row["version"] for row in self._rows("counter")}
        heard = self._first_occurrences(HEARD)
        for network, version in versions.items():
            numbers = [number for number, _ in heard[network]]
            if numbers != list(range(1, version + 1)):
                broken.append(f"the log has {numbers} of {version} facts")
        lines: dict[UUID, list[int]] = defaultdict(list)
        for row in sorted(self._rows("line"), key=lambda row: row["number"]):
            lines[row["network"]].append(row["sequence"])
        said = self._first_occurrences(SAID)
        for network in [*self.ours, *self.theirs]:
            wanted = [number for number, name in (self.sent.get(network) or heard[network]) if not name.startswith("skip")]
            if lines[network] != wanted:
                broken.append(f"the effects are {lines[network]}, the log has {wanted}")
            if [number for number, _ in said[network]] != lines[network]:
                broken.append(f"what was said is {said[network]}, the effects are {lines[network]}")
        return broken

    def _first_occurrences(self, topic: str) -> dict[UUID, list[tuple[int, str]]]:
        """(sequence, name) of each key's messages, the copies left out."""
        found: dict[UUID, dict[bytes, tuple[int, str]]] = defaultdict(dict)
        for record in self.broker.of_topic(topic):
            headers = dict(record.headers)
            if "ce_id" in headers:
                name = record.value.partition(b'"name":"')[2].partition(b'"')[0].decode()
                found[UUID(record.key.decode())].setdefault(headers["ce_id"], (int(headers["ce_sequence"]), name))
        return defaultdict(list, {network: list(messages.values()) for network, messages in found.items()})


def simulate(seed: int, *, rates: Rates | None = None, blow: Crash | Freeze | None = None, record: bool = False) -> Verdict:
    """Runs one seed to its end. `rates` in place of drawn ones, `blow` in addition; `record` keeps the schedule."""
    loop = SimulatedLoop()
    verdict = Verdict(seed)

    with _no_other_world(seed, loop):
        world = World(seed, loop, rates=rates, blow=blow, record=record)
        try:
            verdict.broken = loop.run(world.run())
        except Frozen:
            verdict.broken = ["stuck: nothing is left to do"]
        finally:
            world.bury()
    verdict.happened, verdict.awaits, verdict.schedule = world.hazards.happened, world.hazards.awaits, world.hazards.schedule
    return verdict


@contextmanager
def _no_other_world(seed: int, loop: SimulatedLoop) -> Iterator[None]:
    """Clocks are the loop's, identifiers are the seed's, and nothing is logged."""
    ids = Random(seed + 1)  # noqa: S311 - chance that can be repeated
    before = structlog.get_config()
    with ExitStack() as patched:
        patched.enter_context(patch.object(time, "monotonic", loop.time))
        patched.enter_context(patch.object(recorder, "new_id", lambda: UUID(int=ids.getrandbits(128), version=4)))
        for module, name, seconds in (*_POLLING, (relay, "POLL_SECONDS", ids.choice((0.3, 3.0, 3.0)))):
            patched.enter_context(patch.object(module, name, seconds))
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        patched.callback(structlog.configure, **before)
        yield
