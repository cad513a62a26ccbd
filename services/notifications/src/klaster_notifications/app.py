"""The notifications service as an ASGI application."""

from collections.abc import Collection

from fastapi import FastAPI

from klaster_notifications import bootstrap
from klaster_notifications.adapters.reading import StoredRecord
from klaster_notifications.api.router import router
from klaster_notifications.consumers import CONSUMES
from klaster_notifications.settings import NotificationsSettings
from klaster_shared.lifecycle import Role
from klaster_shared.web.app import create_app as web_app


def create_app(settings: NotificationsSettings, parts: bootstrap.Parts | None = None, *, roles: Collection[Role] = frozenset(Role)) -> FastAPI:
    """`parts` are those of `bootstrap.build`, unless a test has built them otherwise."""
    parts = parts or bootstrap.build(settings)
    app = web_app(
        settings=settings,
        package="klaster_notifications",
        title="Klaster notifications",
        description="Who has to be told what, and the record that they were.",
        database=parts.database,
        transactions=parts.transactions,
        metrics=parts.assembly.metrics,
        routers=[router],
        components=parts.assembly.components,
        consumes=CONSUMES,
        office=parts.assembly.office,
        roles=roles,
    )
    app.state.record = StoredRecord
    app.state.shelf = parts.letters
    return app
