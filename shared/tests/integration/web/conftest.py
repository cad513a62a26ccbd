"""A service of one table, `thing (name unique, version)`, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, ClassVar

import httpx
import pytest
from fastapi import APIRouter, Depends, Response
from prometheus_client import CollectorRegistry
from pydantic_settings import SettingsConfigDict
from sqlalchemy import Column, Integer, Table, Text, bindparam, select, update
from sqlalchemy.ext.asyncio import create_async_engine

from klaster_shared.clock import SystemClock
from klaster_shared.consuming.audit import OPERATOR_ACT
from klaster_shared.db.engine import Database
from klaster_shared.db.metadata import new_metadata
from klaster_shared.db.statements import Statement, insert_of
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.errors import NotFound, Refused, StaleVersion
from klaster_shared.observability.metrics import Metrics
from klaster_shared.outbox.scheduled import OUTBOX_SCHEDULED
from klaster_shared.outbox.table import OUTBOX
from klaster_shared.settings import ServiceSettings
from klaster_shared.web.app import create_app
from klaster_shared.web.commands import CommandRoute, unit_of_work
from klaster_shared.web.etags import IfMatch, created, tag_response
from klaster_shared.web.fields import Body, Line
from klaster_shared.web.idempotency import IDEMPOTENCY_KEY
from klaster_shared.web.reading import Reading
from klaster_shared.web.testing import client_of

metadata = new_metadata()
THING = Table("thing", metadata, Column("name", Text, primary_key=True), Column("version", Integer, nullable=False))
ADD = Statement(insert_of(THING))
FIND = Statement(select(THING.c.version).where(THING.c.name == bindparam("name", type_=Text)))
MOVE = Statement(
    update(THING)
    .where(THING.c.name == bindparam("key", type_=Text), THING.c.version == bindparam("before", type_=Integer))
    .values(version=THING.c.version + 1)
)
ALL = Statement(select(THING).order_by(THING.c.name))

type Work = Annotated[UnitOfWork, Depends(unit_of_work)]


class ThingIn(Body):
    name: Line


class Forbidden(Refused):
    """Things of this name are not made."""

    slug = "forbidden-name"


class Service:
    """Routes, and a gate that holds a command inside its transaction until the test lets it go on."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.inside = asyncio.Event()
        self.runs = 0
        self.refusing = True
        self.router = APIRouter(prefix="/v1", route_class=CommandRoute)
        self.router.post("/things", status_code=201)(self.add)
        self.router.post("/things/{name}/move")(self.move)
        self.router.get("/things")(self.things)

    async def add(self, body: ThingIn, work: Work, response: Response) -> dict[str, str]:
        self.runs += 1
        if body.name == "forbidden" and self.refusing:
            raise Forbidden("Not this name.")
        await ADD.execute(work.connection, name=body.name, version=1)
        self.inside.set()
        await self.gate.wait()
        created(response, f"/v1/things/{body.name}", 1)
        return {"name": body.name, "by": work.actor, "run": str(self.runs)}

    async def move(self, name: str, work: Work, if_match: IfMatch, response: Response) -> dict[str, int]:
        self.runs += 1
        version = await FIND.fetchval(work.connection, name=name)
        if version is None:
            raise NotFound("thing", name)
        if if_match not in {None, version}:
            raise StaleVersion("thing", name, if_match, version)
        self.inside.set()
        await self.gate.wait()
        if not await MOVE.execute(work.connection, key=name, before=version):
            raise StaleVersion("thing", name, version)
        tag_response(response, version + 1)
        return {"version": version + 1}

    async def things(self, connection: Reading) -> list[str]:
        return [row["name"] for row in await ALL.fetch(connection)]


class ExampleSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="EXAMPLE_")
    service: ClassVar[str] = "partners"
    http_port: int = 0


@pytest.fixture(scope="module")
async def database(database_url: str) -> AsyncIterator[Database]:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.run_sync(lambda sync: OUTBOX.metadata.create_all(sync, tables=[OUTBOX, OUTBOX_SCHEDULED, IDEMPOTENCY_KEY, OPERATOR_ACT]))
    await engine.dispose()
    database = Database(database_url, name="example", pool_size=10)
    yield database
    await database.dispose()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def client(database: Database, database_url: str, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with database.connect() as connection:
        await connection.execute("TRUNCATE thing, idempotency_key, outbox, operator_act")
    app = create_app(
        settings=ExampleSettings.load(database_url=database_url),
        package="klaster_partners",
        title="Example",
        description="An example.",
        database=database,
        transactions=Transactions(database, UnitOfWork, clock=SystemClock(), wake=lambda: None),
        metrics=Metrics(CollectorRegistry()),
        routers=[service.router],
    )
    async with client_of(app) as connected:
        yield connected
