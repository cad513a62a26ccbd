"""A service's HTTP application, put together from its parts: this page is the table of contents."""

from collections.abc import Collection, Iterable, Sequence
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from klaster_shared.contracts.asyncapi import asyncapi
from klaster_shared.contracts.bodies import Message
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.lifecycle import Role
from klaster_shared.observability.metrics import Metrics
from klaster_shared.settings import ServiceSettings
from klaster_shared.web.admin import ParkingOffice, admin_routes
from klaster_shared.web.contract_pages import contract_pages
from klaster_shared.web.documentation import ANY_PROBLEM, DocumentedAPI, add_docs_page
from klaster_shared.web.draining import Doorkeeper, Doors
from klaster_shared.web.health import health_routes
from klaster_shared.web.lifespan import Component, Readiness, Startup, lifespan_of
from klaster_shared.web.middleware import Correlated, LastResort, RequestLimits, RequestMetrics
from klaster_shared.web.problem_pages import problem_pages
from klaster_shared.web.problems import add_problem_handlers


def create_app(
    *,
    settings: ServiceSettings,
    package: str,
    title: str,
    description: str,
    database: Database,
    transactions: Transactions[Any],
    metrics: Metrics,
    routers: Sequence[APIRouter],
    components: Sequence[Component] = (),
    consumes: Iterable[type[Message]] = (),
    office: ParkingOffice | None = None,
    roles: Collection[Role] = frozenset(Role),
) -> FastAPI:
    """`package` is the service's import name, where its migrations are; `components` are started in order, those of `roles` alone.

    Without the role `api` the application answers only what operations ask: alive, ready, how much.
    """
    release = version(package.replace("_", "-"))
    metrics.build_info.labels(settings.service, release).set(1)
    doors = Doors()
    readiness = Readiness(database, package, doors)
    running = [component for component in components if component.role is None or component.role in roles]
    startup = Startup(readiness, running, doors)
    app = DocumentedAPI(
        title=title,
        description=description,
        version=release,
        lifespan=lifespan_of(startup, database),
        middleware=_middleware(metrics, doors),
        responses=ANY_PROBLEM,
        openapi_url="/openapi.json" if Role.API in roles else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.transactions = transactions
    app.state.startup = startup
    app.state.asyncapi = cache(partial(asyncapi, settings.service, tuple(consumes)))
    included = [health_routes(readiness, running, metrics.registry), problem_pages()]
    if Role.API in roles:
        included += [*routers, admin_routes(office, settings.admin_token), contract_pages(app.state.asyncapi)]
        add_docs_page(app)
    for router in included:
        app.include_router(router)
    app.state.routes = [route for router in included for route in router.routes]
    add_problem_handlers(app)
    return app


def _middleware(metrics: Metrics, doors: Doors) -> list[Middleware]:
    """The first is the outermost."""
    return [
        Middleware(RequestMetrics, metrics=metrics),
        Middleware(Correlated),
        Middleware(Doorkeeper, doors=doors),
        Middleware(LastResort),
        Middleware(RequestLimits),
    ]
