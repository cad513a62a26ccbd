"""The events service as an ASGI application."""

from collections.abc import Collection

from fastapi import FastAPI

from klaster_events import bootstrap
from klaster_events.adapters.reading import StoredAgenda
from klaster_events.api.router import router
from klaster_events.consumers import CONSUMES
from klaster_events.settings import EventsSettings
from klaster_shared.lifecycle import Role
from klaster_shared.web.app import create_app as web_app


def create_app(settings: EventsSettings, parts: bootstrap.Parts | None = None, *, roles: Collection[Role] = frozenset(Role)) -> FastAPI:
    """`parts` are those of `bootstrap.build`, unless a test has built them otherwise."""
    parts = parts or bootstrap.build(settings)
    app = web_app(
        settings=settings,
        package="klaster_events",
        title="Klaster events",
        description="Workshops, internships, study visits and conferences: their approval, their seats and who has one.",
        database=parts.database,
        transactions=parts.transactions,
        metrics=parts.metrics,
        routers=[router],
        components=parts.components,
        consumes=CONSUMES,
        office=parts.office,
        roles=roles,
    )
    app.state.agenda = StoredAgenda
    app.state.answer_within = settings.answer_within
    return app
