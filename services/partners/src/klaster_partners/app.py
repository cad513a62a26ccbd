"""The partners service as an ASGI application."""

from collections.abc import Callable, Collection

from fastapi import FastAPI

from klaster_partners import bootstrap
from klaster_partners.adapters.reading import StoredDirectory
from klaster_partners.api.router import router
from klaster_partners.application.queries import Directory
from klaster_partners.settings import PartnersSettings
from klaster_shared.db.engine import Connection
from klaster_shared.lifecycle import Role
from klaster_shared.web.app import create_app as web_app


def create_app(settings: PartnersSettings, parts: bootstrap.Parts | None = None, *, roles: Collection[Role] = frozenset(Role)) -> FastAPI:
    """`parts` are those of `bootstrap.build`, unless a test has built them otherwise."""
    parts = parts or bootstrap.build(settings)
    app = web_app(
        settings=settings,
        package="klaster_partners",
        title="Klaster partners",
        description="Who belongs to the cluster and to which networks, on any day.",
        database=parts.database,
        transactions=parts.transactions,
        metrics=parts.metrics,
        routers=[router],
        components=parts.components,
        roles=roles,
    )
    directory: Callable[[Connection], Directory] = StoredDirectory
    app.state.directory = directory
    return app
