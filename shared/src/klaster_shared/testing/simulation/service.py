"""A service of nothing but the backbone, in one simulated process: the real relay, runner, rebalance listener, unparker and office on
simulated engines. What it does is easy to judge: each message appends one line, and each line is published again.

What becomes of a message is in its name: `fine`, `break` and `refuse` until the code is mended, `skip` for ever, and `huge`, which the
broker refuses until its limit is raised.
"""

import asyncio
import datetime as dt
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry
from sqlalchemy import BigInteger, Column, Identity, Table, Text, Uuid, bindparam, select, update

from klaster_shared.clock import Instant
from klaster_shared.consuming.audit import Act
from klaster_shared.consuming.chunk import ChunkApplier
from klaster_shared.consuming.handling import Consumer, Skipped, handlers
from klaster_shared.consuming.office import ParkingOffice
from klaster_shared.consuming.office.acts import NotHead
from klaster_shared.consuming.parking import PARKED_MESSAGE, State
from klaster_shared.consuming.rebalance import Rebalance
from klaster_shared.consuming.retrying import Unparker
from klaster_shared.consuming.runner import Runner
from klaster_shared.contracts import topics
from klaster_shared.contracts.partners import MembershipApplied, NetworkRegistered
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.db.metadata import new_metadata
from klaster_shared.db.statements import Statement, insert_of
from klaster_shared.db.unit_of_work import TransactionAborted, Transactions, UnitOfWork
from klaster_shared.errors import NotFound, Refused
from klaster_shared.observability.metrics import Metrics
from klaster_shared.origin import Origin
from klaster_shared.outbox.relay import Relay
from klaster_shared.outbox.requeueing import NotDead, requeue
from klaster_shared.outbox.table import OUTBOX
from klaster_shared.testing.simulation.broker import START_MILLISECONDS, SimulatedPublisher
from klaster_shared.testing.simulation.database import SimulatedDatabase
from klaster_shared.testing.simulation.event_loop import Process
from klaster_shared.testing.simulation.group import Identities, SimulatedClient

if TYPE_CHECKING:
    from klaster_shared.testing.simulation.world import World

CONSUMER = "simulated"
HEARD = topics.PARTNERS_NETWORK
SAID = topics.PARTNERS_MEMBERSHIP
EPOCH = dt.datetime.fromtimestamp(START_MILLISECONDS / 1000, dt.UTC)

SCHEMA = new_metadata()
COUNTER = Table("counter", SCHEMA, Column("id", Uuid, primary_key=True), Column("version", BigInteger, nullable=False))
LINE = Table(
    "line",
    SCHEMA,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("network", Uuid, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
)
CREATE = Statement(insert_of(COUNTER))
ADVANCE = Statement(
    update(COUNTER).where(COUNTER.c.id == bindparam("key", type_=Uuid)).values(version=COUNTER.c.version + 1).returning(COUNTER.c.version)
)
APPEND = Statement(insert_of(LINE, "number"))
LINES = Statement(select(LINE).order_by(LINE.c.number))
VERSIONS = Statement(select(COUNTER))
HELD = Statement(
    select(PARKED_MESSAGE.c.id, PARKED_MESSAGE.c.value).where(PARKED_MESSAGE.c.state == State.HELD.value).order_by(PARKED_MESSAGE.c.id).limit(50)
)
DEAD = Statement(select(OUTBOX.c.id).where(OUTBOX.c.dead))

LINGERING = 0.15
"""How often a command holds its outbox rows for a while before it commits."""

_TROUBLE = (*DATABASE_FAILURES, TransactionAborted)


@cache
def metrics() -> Metrics:
    """One for all runs: nobody asserts on them here, and making them costs more than a run."""
    return Metrics(CollectorRegistry())


class SimulatedClock:
    def now(self) -> Instant:
        return EPOCH + dt.timedelta(seconds=asyncio.get_running_loop().time())


class NotWanted(Refused):
    """The simulated service does not take this."""

    slug = "not-wanted-in-simulation"

    def __init__(self) -> None:
        super().__init__("The simulated service does not take this.")


@dataclass(slots=True)
class Code:
    """What is wrong with the service, for all its processes: one version runs everywhere."""

    mended: bool = False
    calls: int = 0
    skipped: set[tuple[UUID, int]] = field(default_factory=set)


class Instance:
    """One process of the service."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.process = Process(name, world.loop)
        self.process.call(self._build)

    def _build(self) -> None:
        world, clock = self.world, SimulatedClock()
        database = cast("Any", SimulatedDatabase(world.server, self.process))
        self.database = database
        self.relay = Relay(database, lambda: SimulatedPublisher(world.broker, self.process), metrics=metrics(), clock=clock)
        self.transactions = Transactions(database, UnitOfWork, clock=clock, wake=self.relay.wake)
        code = world.code

        async def append(message: NetworkRegistered, work: UnitOfWork) -> Skipped | None:
            return await _append(message, work, code)

        declaration = Consumer(name=CONSUMER, topics=(HEARD,), handlers=handlers(NetworkRegistered=append))
        self.runner = Runner(ChunkApplier(declaration, self.transactions, metrics(), world.quota), metrics())
        self.rebalance = Rebalance(
            self.runner,
            client=lambda: self.client,
            identities=cast("Any", Identities(world.broker, self.process)),
            commit=self._commit,
            before_joining=_at_once,
            metrics=metrics(),
        )
        self.unparker = Unparker(declaration, self.transactions, metrics())
        self.office = ParkingOffice(self.transactions, [declaration], wake=lambda _: self.unparker.wake())
        self.client = SimulatedClient(world.group, self.process, self.rebalance, self.runner.handle)

    def start(self) -> None:
        for work in (self.relay.start(), self.unparker.start(), self.client.run(), self._upkeep(), self._write(), self._operate()):
            self.process.spawn(work)
        self.rebalance.start()
        self.world.group.join(self.client)

    async def _commit(self) -> None:
        """As `RunningConsumer` does it."""
        assigned = self.client.assignment()
        offsets = {TopicPartition(*p): s.expected for p, s in self.runner.standings.items() if TopicPartition(*p) in assigned}
        with suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(self.client.commit(offsets), 5)

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.runner.resume_due()
            if not self.runner.interrupted and self.runner.moved():
                await self._commit()

    async def _write(self) -> None:
        """Commands, one after the other; one whose answer does not come is not repeated."""
        while self.world.commands:
            await asyncio.sleep(self.world.random.uniform(0.0, 0.3))
            if not self.world.commands:
                return
            network, name = self.world.commands.pop()
            with suppress(*_TROUBLE):
                async with self.transactions.begin(Origin(actor="tester", correlation_id="", causation_id="")) as work:
                    version = await ADVANCE.fetchval(work.connection, key=network)
                    work.publish(NetworkRegistered(network_id=network, code="X", name=name), sequence=version, happened=work.now)
                    if self.world.random.random() < LINGERING:
                        await work.write_outbox()
                        await asyncio.sleep(self.world.random.uniform(0.0, 4.0))

    async def _operate(self) -> None:
        """Operators look now and then: they skip what nobody will ever want, and try the rest again."""
        while True:
            await asyncio.sleep(self.world.random.uniform(2.0, 6.0))
            with suppress(*_TROUBLE, NotFound, NotHead):
                async with self.database.connect() as connection:
                    held = await HELD.fetch(connection)
                for parked in held:
                    if b'"skip' in parked["value"] or not parked["value"].startswith(b"{"):
                        await self.office.skip(parked["id"], actor="operator", reason="nobody wants it")
                    elif self.world.random.choice((True, False)):
                        await self.office.retry(parked["id"], actor="operator")
                if self.world.code.mended:
                    await self._requeue()

    async def _requeue(self) -> None:
        async with self.transactions.begin(Origin(actor="operator", correlation_id="", causation_id="")) as work:
            for row in await DEAD.fetch(work.connection):
                with suppress(NotFound, NotDead):
                    await requeue(work.connection, row["id"], Act(action="requeue", actor="operator", at=work.now))


async def _append(message: NetworkRegistered, work: UnitOfWork, code: Code) -> Skipped | None:
    code.calls += 1
    sequence = work.incoming.sequence or 0
    await APPEND.execute(work.connection, network=message.network_id, sequence=sequence, name=message.name)
    if message.name.startswith("skip") or (message.name.startswith("refuse") and not code.mended):
        raise NotWanted
    if message.name.startswith("break") and not code.mended:
        raise ZeroDivisionError
    said = MembershipApplied(
        membership_id=message.network_id, organisation_id=message.network_id, network_id=message.network_id, applied_on=work.today
    )
    work.publish(said, sequence=sequence, happened=work.now)
    return None


async def _at_once() -> None:
    """Nothing has to be ready before the group is joined again."""
