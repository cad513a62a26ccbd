"""The budget service as an ASGI application."""

from collections.abc import Collection

from fastapi import FastAPI

from klaster_budget import bootstrap
from klaster_budget.adapters.reading import StoredBooks
from klaster_budget.api.router import router
from klaster_budget.consumers import CONSUMES
from klaster_budget.settings import BudgetSettings
from klaster_shared.lifecycle import Role
from klaster_shared.web.app import create_app as web_app


def create_app(settings: BudgetSettings, parts: bootstrap.Parts | None = None, *, roles: Collection[Role] = frozenset(Role)) -> FastAPI:
    """`parts` are those of `bootstrap.build`, unless a test has built them otherwise."""
    parts = parts or bootstrap.build(settings)
    app = web_app(
        settings=settings,
        package="klaster_budget",
        title="Klaster budget",
        description="Grants and their lines, the money reserved for events, and what documents show was spent.",
        database=parts.database,
        transactions=parts.transactions,
        metrics=parts.metrics,
        routers=[router],
        components=parts.components,
        consumes=CONSUMES,
        office=parts.office,
        roles=roles,
    )
    app.state.books = StoredBooks
    return app
