"""Runs each peer under kill, poison and rebalance, on engines of its own, with processes of its own.

The one rule: kindness. A peer starts with an empty topic and has joined its group before the first order counts; it is given time to finish;
only what is still wrong then is counted.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Final

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from faststream_outbox import OutboxBroker
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from klaster_shared.embedded.kafka import KafkaServer
from klaster_shared.embedded.ports import free_port
from klaster_shared.embedded.postgres import DatabaseSpec, PostgresServer
from klaster_shared.embedded.supervision import Child, Program
from tests.chaos.engines import ROOT, begin
from tests.chaos.peers.judging import OrderId, PeerResult, duplicated, lost, reordered, without_effect
from tests.chaos.peers.orders import Effect, Order, PlacedOrder, create_tables, engine_for
from tests.chaos.peers.outbox_relay import QUEUE, outbox_table

CUSTOMERS: Final = 50
RATE: Final = 100.0
PARTITIONS: Final = 6
JOINED_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1
KILL, POISON, REBALANCE = "kill", "poison", "rebalance"

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """`relayed`: orders go through faststream-outbox; else they are produced to Kafka by the suite. `policy` of the consumer.

    `patience` in seconds: longer than anything by which the peer gets over a fault that has ended; what has no effect by then, has none.
    """

    name: str
    package: str
    relayed: bool
    policy: str
    patience: float
    remark: str

    @property
    def version(self) -> str:
        return version(self.package)


PEERS: Final = (
    Peer(name="FastStream, defaults", package="faststream", relayed=False, policy="defaults", patience=15.0, remark="acknowledges before it handles"),
    Peer(
        name="FastStream, NACK_ON_ERROR",
        package="faststream",
        relayed=False,
        policy="nack",
        patience=15.0,
        remark="the advised policy; a message that fails is fetched again and again",
    ),
    Peer(
        name="faststream-outbox, with a FastStream consumer (NACK_ON_ERROR)",
        package="faststream-outbox",
        relayed=True,
        policy="nack",
        patience=80.0,  # its lease is 60 s: what a killed relay had taken is offered again only then
        remark="promises at least once and no order",
    ),
)


@dataclass(slots=True)
class Trial:
    """One peer under one fault."""

    peer: Peer
    url: str
    servers: str
    topic: str
    logs: Path
    random: Random
    engine: AsyncEngine
    acknowledged: dict[OrderId, bool] = field(default_factory=dict)
    fixed: bool = False
    running: dict[str, Child] = field(default_factory=dict)

    def program(self, role: str) -> Program:
        fixed = "fixed" if self.fixed else "unfixed"
        arguments = {
            "consumer": (
                "tests.chaos.peers.consumer",
                self.url,
                self.servers,
                self.topic,
                self.peer.policy,
                fixed if not self.peer.relayed else "fixed",
            ),
            "relay": ("tests.chaos.peers.outbox_relay", self.url, self.servers, self.topic, fixed),
        }[role.partition(" ")[0]]
        return Program(
            name=role,
            command=(sys.executable, "-m", *arguments),
            directory=ROOT,
            log=self.logs / f"{self.topic}-{role.replace(' ', '-')}.log",
            grace=20.0,
        )

    @property
    def roles(self) -> list[str]:
        return ["relay", "consumer"] if self.peer.relayed else ["consumer"]

    def start(self, role: str) -> None:
        child = Child(self.program(role))
        child.start()
        self.running[role] = child

    def close(self) -> None:
        for child in self.running.values():
            child.kill()

    async def effects(self) -> list[OrderId]:
        async with AsyncSession(self.engine) as session:
            found = await session.execute(select(Effect.customer, Effect.number).where(Effect.customer != "probe").order_by(Effect.id))
            return [(customer, number) for customer, number in found]

    async def probed(self) -> bool:
        async with AsyncSession(self.engine) as session:
            return (await session.execute(select(Effect.id).where(Effect.customer == "probe").limit(1))).first() is not None


class Orders:
    """Places orders in the way of the peer, and remembers those that were acknowledged."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._producer = Producer({"bootstrap.servers": trial.servers, "acks": "all", "enable.idempotence": True, "linger.ms": 0, "log_level": 0})
        self._broker = OutboxBroker(trial.engine, outbox_table=outbox_table) if trial.peer.relayed else None
        self._sessions = async_sessionmaker(trial.engine, expire_on_commit=False)
        self._numbers: dict[str, int] = {}

    async def place(self, customer: str, *, bad: bool = False) -> None:
        number = self._numbers[customer] = self._numbers.get(customer, 0) + 1
        order = Order(customer=customer, number=number, bad=bad)
        if self._broker is not None:
            async with self._sessions() as session, session.begin():
                session.add(PlacedOrder(customer=customer, number=number))
                await self._broker.publish(order, queue=QUEUE, session=session)
            self._note(order)
            return
        self._producer.produce(
            self._trial.topic, order.model_dump_json().encode(), customer.encode(), on_delivery=lambda error, _: None if error else self._note(order)
        )
        self._producer.poll(0)

    async def sent(self) -> None:
        await asyncio.to_thread(self._producer.flush, 30)

    def _note(self, order: Order) -> None:
        if order.customer != "probe":
            self._trial.acknowledged[order.customer, order.number] = order.bad


async def run_peers(peers: Sequence[Peer], *, long: bool, seed: int, say: Say) -> list[PeerResult]:
    """Every peer under every fault. Long: 100 kills, 20 rebalances, one poison in a thousand of 20 000."""
    sizes = {KILL: 100, POISON: 20, REBALANCE: 20} if long else {KILL: 2, POISON: 2, REBALANCE: 1}
    results: list[PeerResult] = []
    async with _engines() as (postgres, servers, logs):
        for peer in peers:
            for fault, injections in sizes.items():
                trial = await _prepared(peer, fault, postgres, servers, logs, Random(f"{seed}-{peer.name}-{fault}"))
                try:
                    results.append(await _run(trial, fault, injections, seed, per_poison=1000 if long else 100))
                finally:
                    trial.close()
                    await trial.engine.dispose()
                say(str(results[-1]))
    return results


async def _run(trial: Trial, fault: str, injections: int, seed: int, *, per_poison: int) -> PeerResult:
    began, orders = time.monotonic(), Orders(trial)
    for role in trial.roles:
        trial.start(role)
    await _joined(trial, orders)
    if fault == POISON:
        await _poisoned(trial, orders, injections, per_poison)
    else:
        await _disturbed(trial, orders, fault, injections)
    await orders.sent()
    await _quiet(trial)
    stuck = without_effect(trial.acknowledged, await trial.effects())
    trial.fixed = True
    for role in trial.roles:
        trial.running[role].stop()
        trial.start(role)
    await _quiet(trial)
    effects = await trial.effects()
    return PeerResult(
        peer=trial.peer.name,
        version=trial.peer.version,
        fault=fault,
        injections=injections,
        messages=len(trial.acknowledged),
        lost=lost(trial.acknowledged, effects),
        duplicated=duplicated(effects),
        reordered=reordered(effects),
        stuck=stuck,
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        remark=trial.peer.remark,
    )


async def _disturbed(trial: Trial, orders: Orders, fault: str, injections: int) -> None:
    """Orders all the time, while processes are killed, or join and leave."""
    done = asyncio.Event()
    placing = asyncio.create_task(_placed(trial, orders, done))
    try:
        for number in range(injections):
            role = trial.roles[number % len(trial.roles)]
            await asyncio.sleep(0.5 + trial.random.random())
            if fault == KILL:
                trial.running[role].kill()
                trial.start(role)
            else:
                trial.start(f"{role} second")
            await asyncio.sleep(3 + trial.random.random())
            if fault == REBALANCE:
                await asyncio.to_thread(trial.running[f"{role} second"].stop)
    finally:
        done.set()
        await placing


async def _placed(trial: Trial, orders: Orders, done: asyncio.Event) -> None:
    began, placed = time.monotonic(), 0
    while not done.is_set():
        while placed < (time.monotonic() - began) * RATE:
            await orders.place(f"customer-{trial.random.randrange(CUSTOMERS)}")
            placed += 1
        await asyncio.sleep(1 / RATE)


async def _poisoned(trial: Trial, orders: Orders, injections: int, per_poison: int) -> None:
    count = injections * per_poison
    bad = set(trial.random.sample(range(count // 10, count), injections))
    began = time.monotonic()
    for number in range(count):
        await orders.place(f"customer-{trial.random.randrange(CUSTOMERS)}", bad=number in bad)
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))


async def _joined(trial: Trial, orders: Orders) -> None:
    """Until a first order, which does not count, has had its effect: offered again and again, because `latest` misses what came before it joined."""
    deadline = time.monotonic() + JOINED_SECONDS
    while not await trial.probed():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{trial.peer.name} handled nothing: {trial.running[trial.roles[-1]].log_tail()}")
        await orders.place("probe")
        await asyncio.sleep(LOOK_SECONDS * 5)


async def _quiet(trial: Trial) -> None:
    """Until everything has had its effect, or nothing more has happened for a while."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < trial.peer.patience:
        effects = await trial.effects()
        if set(trial.acknowledged) <= set(effects):
            return
        if len(effects) != before:
            before, since = len(effects), time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)


async def _prepared(peer: Peer, fault: str, postgres: PostgresServer, servers: str, logs: Path, random: Random) -> Trial:
    name = f"{fault}-{PEERS.index(peer)}-{random.getrandbits(32):08x}"
    database = name.replace("-", "_")
    spec = DatabaseSpec(database=database, role=database, password=f"{random.getrandbits(64):x}")
    postgres.access.create_database(spec)
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(30)
    url = postgres.access.url(spec)
    await create_tables(url)
    return Trial(peer=peer, url=url, servers=servers, topic=name, logs=logs, random=random, engine=engine_for(url))


@asynccontextmanager
async def _engines() -> AsyncIterator[tuple[PostgresServer, str, Path]]:
    async with AsyncExitStack() as opened:
        home = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="klaster-peers-", ignore_cleanup_errors=True)))
        home.chmod(0o711)  # noqa: ASYNC240 - once, before anything runs
        kafka, postgres = KafkaServer(home, free_port()), PostgresServer(home, free_port())
        opened.callback(postgres.wipe)
        opened.callback(postgres.stop)
        opened.callback(kafka.stop)
        for engine in (kafka, postgres):
            await begin(engine)
        yield postgres, kafka.servers, home / "logs"
