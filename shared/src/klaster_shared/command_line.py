"""The command every service has: `serve`, `migrate`, `replay`, `rebuild`, `describe`, `check-config`.

The one rule: exit code 0 is done, 1 is refused or failed, 2 is wrong usage or settings; a failure is one line on standard error.
"""

import asyncio
import json
import os
import sys
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import asyncpg
import typer
from sqlalchemy.exc import DBAPIError

from klaster_shared.db import migrating
from klaster_shared.db.failures import LOCK_TIMEOUT, sqlstate_of
from klaster_shared.lifecycle import Role
from klaster_shared.observability.logging import configure_logging
from klaster_shared.replay_commands import Workshop, add_replay_commands
from klaster_shared.settings import ServiceSettings, SettingsError

if TYPE_CHECKING:
    from fastapi import FastAPI

_NOWHERE = "postgresql://describe@localhost/describe"
"""Descriptions need an application but no database; nothing connects to this."""


class Document(StrEnum):
    OPENAPI = "openapi"
    ASYNCAPI = "asyncapi"
    SETTINGS = "settings"


class NoSuchRole(Exception):
    """One sentence for whoever typed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service[S: ServiceSettings]:
    """What a command line needs to know of a service. `package` is its import name, where its migrations and its `app` are."""

    package: str
    settings: type[S]
    roles: frozenset[Role] = frozenset({Role.API, Role.CONSUMERS, Role.RELAY})
    """What a process of it can do; by default one process does all of it."""

    def create_app(self, settings: S, roles: Collection[Role] | None = None) -> "FastAPI":
        """The service's application, imported only now: `migrate` and `check-config` start in a third of the time without it."""
        app: FastAPI = import_module(f"{self.package}.app").create_app(settings, roles=self.roles if roles is None else roles)
        return app

    def chosen(self, names: Collection[str]) -> frozenset[Role]:
        """The roles of these names, all of them without any.

        Raises:
            NoSuchRole: the service has none of that name.
        """
        by_name = {role.value: role for role in Role if role in self.roles}
        for name in names:
            if name not in by_name:
                raise NoSuchRole(f"--only {name}: {self._why_not(name)}; choose from {', '.join(by_name)}")
        return frozenset(by_name[name] for name in names) or self.roles

    def _why_not(self, name: str) -> str:
        return f"{self.command} has no {name}" if name in set(Role) else "there is no such role"

    @property
    def command(self) -> str:
        return self.package.replace("_", "-")


def command_line[S: ServiceSettings](service: Service[S]) -> typer.Typer:
    cli = typer.Typer(name=service.command, no_args_is_help=True, add_completion=False, help=f"Runs and looks after {service.command}.")
    roles = ", ".join(role for role in Role if role in service.roles)

    @cli.command("serve")
    def serve_command(
        only: Annotated[list[str] | None, typer.Option("--only", metavar="ROLE", help=f"Do this alone, of {roles}; may be repeated.")] = None,
    ) -> None:
        """Serve HTTP, publish and consume, in one process, until told to stop."""
        from klaster_shared.runtime import CannotStart, serve

        chosen = _chosen(service, only or ())
        settings = _configured(service)
        _arm_crash_points(service)
        try:
            serve(settings, lambda configured: service.create_app(configured, chosen))
        except CannotStart as error:
            _fail(service, str(error))

    @cli.command("migrate")
    def migrate_command() -> None:
        """Bring the service's database to this release's tables."""
        settings = _configured(service)
        try:
            before = asyncio.run(migrating.migrate(service.package, settings.database_url.get_secret_value()))
        except (OSError, TimeoutError, asyncpg.PostgresError, DBAPIError) as error:
            _fail(service, _why_not_migrated(error))
        at = migrating.head(service.package)
        typer.echo(f"{service.command}: already at {at}" if before == at else f"{service.command}: migrated from {before or 'nothing'} to {at}")

    @cli.command("describe")
    def describe_command(document: Annotated[Document, typer.Argument()] = Document.OPENAPI) -> None:
        """Print what the service offers: its OpenAPI or AsyncAPI document, or its settings."""
        typer.echo(json.dumps(_described(service, document), indent=2, ensure_ascii=False))

    @cli.command("check-config")
    def check_config_command() -> None:
        """Check the environment variables and show them, secrets starred."""
        for variable, value in _loaded(service).redacted().items():
            typer.echo(f"{variable}={value}")

    add_replay_commands(cli, service.command, lambda: workshop_of(service))
    return cli


def _chosen[S: ServiceSettings](service: Service[S], names: Collection[str]) -> frozenset[Role]:
    try:
        return service.chosen(names)
    except NoSuchRole as error:
        typer.echo(f"{service.command}: {error}", err=True)
        sys.exit(2)


def _arm_crash_points[S: ServiceSettings](service: Service[S]) -> None:
    from klaster_shared.testing.crashing import CannotArm, arm_from

    try:
        arm_from(os.environ, service=service.command)
    except CannotArm as error:
        typer.echo(f"{service.command}: {error}", err=True)
        sys.exit(2)


def workshop_of[S: ServiceSettings](service: Service[S]) -> Workshop:
    """The service's parts, not started, for commands that work beside it; wrong settings end the process. Standard output is for results."""
    settings = _loaded(service)
    configure_logging(settings.service, level=settings.log_level, form=settings.log_format, stream=sys.stderr)
    return Workshop.of(service.package, settings)


def _configured[S: ServiceSettings](service: Service[S]) -> S:
    settings = _loaded(service)
    configure_logging(settings.service, level=settings.log_level, form=settings.log_format)
    return settings


def _loaded[S: ServiceSettings](service: Service[S]) -> S:
    try:
        return service.settings.load()
    except SettingsError as error:
        for sentence in error.sentences:
            typer.echo(f"{service.command}: {sentence}", err=True)
        sys.exit(2)


def _described[S: ServiceSettings](service: Service[S], document: Document) -> Any:
    if document is Document.SETTINGS:
        return {service.settings.variable(name): field.description for name, field in service.settings.model_fields.items()}
    app = service.create_app(service.settings.load(database_url=_NOWHERE))
    return app.openapi() if document is Document.OPENAPI else app.state.asyncapi()


def _why_not_migrated(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    state = sqlstate_of(cause) or ""
    if state[:2] == "28":
        return "the database refuses the user or the password: check the service's DATABASE_URL"
    if state == "3D000":
        return "the server has no such database: check the service's DATABASE_URL"
    if state == LOCK_TIMEOUT:
        return "a table is in use for too long; nothing was changed: try again when there is less traffic"
    if not state:
        return f"the database does not answer ({type(cause).__name__}): is it running, and is the service's DATABASE_URL right?"
    return f"the database refused a migration (SQLSTATE {state}); nothing was changed"


def _fail[S: ServiceSettings](service: Service[S], reason: str) -> NoReturn:
    typer.echo(f"{service.command}: {reason}", err=True)
    sys.exit(1)
