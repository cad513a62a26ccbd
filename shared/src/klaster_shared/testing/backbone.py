"""A service of nothing but the backbone, for the suites of outbox and consuming: real tables, real relay, real consumer.

Its domain is a ledger: each handled NetworkRegistered appends one line in the order of handling, and a message whose name
begins with `refuse` or `break` fails as its name says, so that a test chooses the failure by the message it sends.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from prometheus_client import CollectorRegistry
from sqlalchemy import BigInteger, Column, Identity, Table, Text, Uuid, bindparam, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from klaster_shared.clock import SystemClock
from klaster_shared.consuming.consumer import RunningConsumer
from klaster_shared.consuming.handling import Consumer, Skipped, handlers
from klaster_shared.consuming.office import ParkingOffice
from klaster_shared.consuming.quota import Quota
from klaster_shared.consuming.retrying import Unparker
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.contracts.registry import enclose
from klaster_shared.db.engine import Database
from klaster_shared.db.metadata import PLATFORM, new_metadata
from klaster_shared.db.statements import Statement, insert_of
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.errors import Refused
from klaster_shared.ids import new_id
from klaster_shared.kafka import TopicIdentities
from klaster_shared.observability.metrics import Metrics
from klaster_shared.origin import Origin
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.outbox.relay import Relay

type Raw = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Key, value and headers of a record."""

METADATA = new_metadata()
LEDGER = Table(
    "ledger",
    METADATA,
    Column("line", BigInteger, Identity(always=True), primary_key=True),
    Column("network", Uuid, nullable=False),
    Column("name", Text, nullable=False),
)
_APPEND = Statement(insert_of(LEDGER, "line"))
_READ = Statement(select(LEDGER.c.network, LEDGER.c.name).order_by(LEDGER.c.line))
_READ_ONE = Statement(select(LEDGER.c.name).where(LEDGER.c.network == bindparam("network", type_=Uuid)).order_by(LEDGER.c.line))


class NotWanted(Refused):
    """The ledger does not take this line."""

    slug = "not-wanted"

    def __init__(self) -> None:
        super().__init__("The ledger does not take this line.")


class Ledger:
    """What the test sees of the effects, and the failures it has chosen."""

    def __init__(self) -> None:
        self.refusing = True
        self.breaking = True
        self.calls: list[str] = []
        self.statements: dict[str, str] = {}
        """By name, SQL that runs in the transaction of the line: to have PostgreSQL itself refuse it."""
        self.after: Callable[[str], Awaitable[None]] | None = None
        """Awaited with the name after the line was written, before its transaction goes on: to hold a handler, or to fail it."""

    async def append(self, message: NetworkRegistered, work: UnitOfWork) -> Skipped | None:
        self.calls.append(message.name)
        if message.name == "pass by":
            return Skipped("asked to")
        await _APPEND.execute(work.connection, network=message.network_id, name=message.name)
        if (statement := self.statements.get(message.name)) is not None:
            await work.connection.execute(statement)
        if message.name.startswith("refuse") and self.refusing:
            raise NotWanted
        if message.name.startswith("break") and self.breaking:
            raise ZeroDivisionError
        if self.after is not None:
            await self.after(message.name)
        return None


class Backbone:
    """One process's worth of backbone on one database and one topic."""

    def __init__(self, url: str, servers: str, *, topic: str, name: str, instance: str | None = None, quota: Quota | None = None) -> None:
        self.topic = topic
        self.ledger = Ledger()
        self.database = Database(url, name="backbone")
        self.metrics = Metrics(CollectorRegistry())
        self.clock = SystemClock()
        self.relay = Relay(self.database, lambda: KafkaPublisher(servers, client_id="relay"), metrics=self.metrics, clock=self.clock)
        self.transactions = Transactions(self.database, UnitOfWork, clock=self.clock, wake=self.relay.wake)
        append = self.ledger.append

        async def note(message: NetworkRegistered, work: UnitOfWork) -> Skipped | None:
            return await append(message, work)

        self.declaration = Consumer(name=name, topics=(topic,), handlers=handlers(NetworkRegistered=note))
        self.consumer = RunningConsumer(
            self.declaration,
            self.transactions,
            servers=servers,
            instance=instance,
            metrics=self.metrics,
            identities=TopicIdentities(servers),
            middleware=KafkaPrometheusMiddleware(registry=self.metrics.registry),
            quota=quota,
        )
        self.unparker = Unparker(self.declaration, self.transactions, self.metrics)
        self.office = ParkingOffice(self.transactions, [self.declaration], wake=lambda _: self.unparker.wake(), editing=True)

    async def record(self, *names: str, network: UUID, first: int = 1) -> None:
        """Commits one NetworkRegistered per name for one aggregate, in one transaction."""
        async with self.transactions.begin(an_origin()) as work:
            for sequence, name in enumerate(names, first):
                work.publish(NetworkRegistered(network_id=network, code="X", name=name), sequence=sequence, happened=work.now)

    async def lines(self, network: UUID | None = None) -> list[Any]:
        """Names of one network's lines, or (network, name) of all, in the order they were applied."""
        async with self.database.connect() as connection:
            if network is None:
                return [(row["network"], row["name"]) for row in await _READ.fetch(connection)]
            return [row["name"] for row in await _READ_ONE.fetch(connection, network=network)]

    async def outbox(self) -> list[Any]:
        async with self.database.connect() as connection:
            rows: list[Any] = await connection.fetch("SELECT * FROM outbox ORDER BY id")
            return rows

    def handled(self, outcome: str) -> float:
        """The counter over all types."""
        return sum(
            sample.value
            for family in self.metrics.consumer_handled.collect()
            for sample in family.samples
            if sample.name.endswith("_total") and sample.labels["outcome"] == outcome
        )


async def create_tables(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(PLATFORM.create_all)
        await connection.run_sync(METADATA.create_all)
    await engine.dispose()


async def empty_tables(url: str) -> None:
    """One database serves many tests: creating and dropping one costs more than most tests."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        tables = ", ".join(table.name for table in [*PLATFORM.sorted_tables, *METADATA.sorted_tables])
        await connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
    await engine.dispose()


def a_record(name: str, network: UUID, sequence: int = 1, *, identifier: UUID | None = None) -> Raw:
    """A NetworkRegistered as it lies in the log, keyed by its network."""
    now = SystemClock().now()
    message = NetworkRegistered(network_id=network, code="X", name=name)
    envelope = enclose(message, id=identifier or new_id(), time=now, recorded_time=now, sequence=sequence)
    return str(network).encode(), envelope.data, list(envelope.headers())


async def send(producer: Any, topic: str, *records: Raw) -> None:
    """All of them, in order, acknowledged."""
    futures = [await producer.send(topic, key=key, value=value, headers=headers) for key, value, headers in records]
    for future in futures:
        await future


def an_origin() -> Origin:
    return Origin(actor="tester", correlation_id=str(new_id()), causation_id=str(new_id()))


@asynccontextmanager
async def running(*components: Any) -> AsyncIterator[None]:
    """Starts components in order and stops them in reverse."""
    started: list[Any] = []
    try:
        for component in components:
            await component.start()
            started.append(component)
        yield
    finally:
        for component in reversed(started):
            await component.stop()


def names(count: int, prefix: str = "line") -> Sequence[str]:
    return [f"{prefix} {n}" for n in range(1, count + 1)]
