"""A service's HTTP application, put together from its parts: this page is the table of contents."""

from collections.abc import Iterable, Sequence
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from klaster_shared.contracts.asyncapi import asyncapi
from klaster_shared.contracts.bodies import Message
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.observability.metrics import Metrics
from klaster_shared.settings import ServiceSettings
from klaster_shared.web.admin import ParkingOffice, admin_routes
from klaster_shared.web.contract_pages import contract_pages
from klaster_shared.web.documentation import ANY_PROBLEM, DocumentedAPI, add_docs_page
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
) -> FastAPI:
    """`package` is the service's import name, where its migrations are; `components` are started in order and stopped in reverse."""
    release = version(package.replace("_", "-"))
    metrics.build_info.labels(settings.service, release).set(1)
    readiness = Readiness(database, package)
    startup = Startup(readiness, components)
    app = DocumentedAPI(
        title=title,
        description=description,
        version=release,
        lifespan=lifespan_of(startup, database),
        middleware=[
            Middleware(RequestMetrics, metrics=metrics),
            Middleware(Correlated),
            Middleware(LastResort),
            Middleware(RequestLimits),
        ],
        responses=ANY_PROBLEM,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.transactions = transactions
    app.state.startup = startup
    app.state.asyncapi = cache(partial(asyncapi, settings.service, tuple(consumes)))
    included = [
        *routers,
        admin_routes(office, settings.admin_token),
        health_routes(readiness, components, metrics.registry),
        contract_pages(app.state.asyncapi),
        problem_pages(),
    ]
    for router in included:
        app.include_router(router)
    app.state.routes = [route for router in included for route in router.routes]
    add_docs_page(app)
    add_problem_handlers(app)
    return app
