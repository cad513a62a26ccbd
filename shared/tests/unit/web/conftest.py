from collections.abc import AsyncIterator, Callable, Collection
from types import SimpleNamespace
from typing import ClassVar

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from pydantic_settings import SettingsConfigDict

from klaster_shared.lifecycle import Role
from klaster_shared.observability.metrics import Metrics
from klaster_shared.settings import ServiceSettings
from klaster_shared.web.app import create_app
from klaster_shared.web.testing import AwayDatabase, FakeTransactions, client_of


class ExampleSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="EXAMPLE_")
    service: ClassVar[str] = "partners"
    http_port: int = 8199


type MakeApp = Callable[..., FastAPI]


@pytest.fixture
def transactions() -> FakeTransactions:
    return FakeTransactions(lambda origin: SimpleNamespace(origin=origin, actor=origin.actor, connection=None))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def make_app(transactions: FakeTransactions, metrics: Metrics) -> MakeApp:
    """An application like a service's, on fake transactions; its database is away."""

    def make(*routers: APIRouter, roles: Collection[Role] = frozenset(Role), **settings: object) -> FastAPI:
        configured = ExampleSettings.load(database_url="postgresql://nobody@127.0.0.1:1/nowhere", **settings)
        return create_app(
            settings=configured,
            package="klaster_partners",
            title="Example",
            description="An example.",
            database=AwayDatabase(),  # type: ignore[arg-type]  # the stand-in has the methods that are called
            transactions=transactions,  # type: ignore[arg-type]  # the stand-in has the one method that is called
            metrics=metrics,
            routers=routers,
            roles=roles,
        )

    return make


@pytest.fixture
async def connect(make_app: MakeApp) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """`connect(router, …)`: a client of an application with these routers."""
    clients: list[httpx.AsyncClient] = []

    def connected(*routers: APIRouter, address: tuple[str, int] = ("127.0.0.1", 50000), **settings: object) -> httpx.AsyncClient:
        clients.append(client_of(make_app(*routers, **settings), address=address))
        return clients[-1]

    yield connected
    for client in clients:
        await client.aclose()
