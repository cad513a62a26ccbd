"""A service with a projection and a record, for the suites of replays: what may be built again, and what must happen once.

Each NetworkRegistered changes one row of the directory (the projection: its last name and how often it was named, so that order and number
both show) and adds one line to the book (the record), with a message that says so. Replayed, only the directory changes.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field
from sqlalchemy import BigInteger, Column, Identity, Integer, Table, Text, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import create_async_engine

from klaster_shared.assembly import Assembly, assemble
from klaster_shared.consuming.consumer import RunningConsumer
from klaster_shared.consuming.handling import Consumer, handlers
from klaster_shared.consuming.log_reading import KafkaLog
from klaster_shared.consuming.log_spans import Bound, Edge, LogEdges, spans
from klaster_shared.consuming.projections import Projection, Share
from klaster_shared.consuming.rebuilding import Rebuild
from klaster_shared.consuming.replaying import Replay, Tally
from klaster_shared.consuming.retrying import Unparker
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.db.metadata import PLATFORM, new_metadata
from klaster_shared.db.statements import Row, Statement, insert_of
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.errors import Refused
from klaster_shared.ids import new_id
from klaster_shared.kafka import TopicIdentities
from klaster_shared.settings import ServiceSettings
from klaster_shared.testing.backbone import running

METADATA = new_metadata()
DIRECTORY = Table(
    "directory",
    METADATA,
    Column("network", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("named", Integer, nullable=False),
)
BOOK = Table("book", METADATA, Column("line", BigInteger, Identity(always=True), primary_key=True), Column("name", Text, nullable=False))
_added = insert(DIRECTORY).values(network=bindparam("network", type_=Uuid), name=bindparam("name", type_=Text), named=1)
_ENTER = Statement(_added.on_conflict_do_update(index_elements=["network"], set_={"name": _added.excluded.name, "named": DIRECTORY.c.named + 1}))
_WRITE_DOWN = Statement(insert_of(BOOK, "line"))
_DIRECTORY = Statement(select(DIRECTORY).order_by(DIRECTORY.c.network))
_BOOK = Statement(select(BOOK.c.name).order_by(BOOK.c.line))


class NotEntered(Refused):
    """The directory does not take this name."""

    slug = "not-entered"


class DirectorySettings(ServiceSettings):
    service: ClassVar[str] = "directory"
    http_port: int = Field(default=0, description="nobody listens")


class DirectoryService:
    """One process's worth of it. Names that begin with `refuse` are refused while `refusing`."""

    def __init__(self, url: str, servers: str, *, topic: str, name: str) -> None:
        self.refusing = True
        self.servers = servers

        async def enter(message: NetworkRegistered, work: UnitOfWork) -> None:
            if message.name.startswith("refuse") and self.refusing:
                raise NotEntered("The directory does not take this name.")
            await _ENTER.execute(work.connection, network=message.network_id, name=message.name)

        async def enter_and_write_down(message: NetworkRegistered, work: UnitOfWork) -> None:
            await enter(message, work)
            await _WRITE_DOWN.execute(work.connection, name=message.name)
            answer = NetworkRegistered(network_id=new_id(), code="X", name=f"heard of {message.name}")
            work.publish(answer, sequence=1, happened=work.now)

        self.entering = handlers(NetworkRegistered=enter)
        self.declaration = Consumer(
            name=name,
            topics=(topic,),
            handlers=handlers(NetworkRegistered=enter_and_write_down),
            projection=Projection(shares=(Share(DIRECTORY),), handlers=self.entering),
        )
        settings = DirectorySettings.load(database_url=url, kafka_servers=servers)
        self.assembly: Assembly[UnitOfWork] = assemble(settings, work=UnitOfWork, consumers=[self.declaration])
        self.log = KafkaLog(servers, client_id="directory.replay")

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator[None]:
        """Live, without its relay: what is published can be counted in the outbox."""
        async with running(*[part for part in self.assembly.components if isinstance(part, RunningConsumer | Unparker)]):
            yield

    async def replay(
        self, *, begin: Bound = Edge.BEGINNING, end: Bound = Edge.END, consumer: Consumer | None = None, rehearsal: bool = False
    ) -> Tally:
        of = consumer or self.declaration
        meant = await spans(LogEdges(self.servers), of.topics, begin=begin, end=end)
        replay = Replay(of, self.assembly.transactions, self.log)
        return await (replay.rehearse(meant) if rehearsal else replay.run(meant, actor="tester", reason="to see"))

    def rebuild(self, *, tolerant: bool = False) -> Rebuild[UnitOfWork]:
        return Rebuild(
            self.declaration, self.assembly.transactions, self.log, LogEdges(self.servers), TopicIdentities(self.servers), tolerant=tolerant
        )

    async def directory(self) -> dict[UUID, tuple[str, int]]:
        async with self.assembly.database.connect() as connection:
            return {row["network"]: (row["name"], row["named"]) for row in await _DIRECTORY.fetch(connection)}

    async def book(self) -> list[str]:
        async with self.assembly.database.connect() as connection:
            return [row["name"] for row in await _BOOK.fetch(connection)]

    async def ask(self, sql: str, *arguments: Any) -> Any:
        async with self.assembly.database.connect() as connection:
            return await connection.fetchval(sql, *arguments)

    async def rows(self, sql: str) -> Sequence[Row]:
        async with self.assembly.database.connect() as connection:
            rows: Sequence[Row] = await connection.fetch(sql)
            return rows


async def create_directory_tables(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(PLATFORM.create_all)
        await connection.run_sync(METADATA.create_all)
    await engine.dispose()
