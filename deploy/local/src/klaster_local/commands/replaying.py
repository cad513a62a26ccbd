"""`klaster replay`, `rebuild`, `restore`: the services' own command lines, told where the running stack has their databases.

The one rule: the work is the service's, which knows its handlers; here it is only found and given its settings. Output and exit code are its own.
"""

import os
import subprocess
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import unquote

import typer

from klaster_local.configuration import SERVICES, Configuration
from klaster_local.endpoints import actor
from klaster_local.failures import CommandFailed, WrongUsage
from klaster_local.service_commands import command_of
from klaster_local.stack import Stack
from klaster_shared.replay_commands import AllowFailures, AsJson, DryRun, From, Name, PartitionNumber, Reason, To, Topic

RESTORABLE: Final = ("notifications",)
"""Services that can make their records again from the log."""

SendUnsettled = Annotated[bool, typer.Option("--send-unsettled", help="Also send what was queued and never reported sent; by default it is held.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Leave out records whose cause the log does not hold any more.")]


def replay(
    *,
    consumer: Name,
    begin: From,
    end: To = "end",
    topic: Topic = None,
    partition: PartitionNumber = None,
    dry_run: DryRun = False,
    reason: Reason = None,
    json: AsJson = False,
) -> None:
    """Handle a part of the log once more, beside the running consumer: replay-safe handlers alone, and nothing is published."""
    arguments = ["--consumer", consumer, "--from", begin, "--to", end, *_given("--topic", topic), *_given("--partition", partition)]
    _call(_service_of(consumer), "replay", *arguments, *_flags(dry_run=dry_run, json=json), *_given("--reason", reason))


def rebuild(*, consumer: Name, dry_run: DryRun = False, allow_failures: AllowFailures = False, reason: Reason = None, json: AsJson = False) -> None:
    """Build a consumer's projection again from the whole log and exchange it in one step; nothing is sent. A dry run only compares: 1 when they differ."""
    flags = _flags(dry_run=dry_run, json=json, allow_failures=allow_failures)
    _call(_service_of(consumer), "rebuild", "--consumer", consumer, *flags, *_given("--reason", reason))


def restore(
    service: Annotated[str, typer.Argument(help="notifications: the service whose store was lost.")],
    *,
    send_unsettled: SendUnsettled = False,
    allow_missing: AllowMissing = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    json: AsJson = False,
) -> None:
    """After the loss of a whole store: fill the empty one with what the log says has happened; nobody is written to."""
    if service not in RESTORABLE:
        raise WrongUsage(f"{service!r} cannot make its records from the log; {' and '.join(RESTORABLE)} can.")
    flags = _flags(dry_run=dry_run, json=json, send_unsettled=send_unsettled, allow_missing=allow_missing)
    _call(service, "restore", *flags, *_given("--reason", reason))


def _service_of(consumer: str) -> str:
    service = consumer.partition(".")[0]
    if service not in SERVICES:
        raise WrongUsage(f"A consumer is called SERVICE.SOURCE, and no service is called {service!r}.")
    return service


def _call(service: str, *arguments: str) -> None:
    environment = {**os.environ, **settings_of(service, Configuration.load(), os.environ, words=arguments)}
    ended = subprocess.run([command_of(service), *arguments, "--actor", unquote(actor())], env=environment, check=False)
    raise typer.Exit(ended.returncode)


def settings_of(service: str, configuration: Configuration, environment: Mapping[str, str], *, words: tuple[str, ...]) -> dict[str, str]:
    """What the service has to be told: in the stack that runs here its supervisor's word, elsewhere what the environment says already.

    Raises:
        CommandFailed: nothing runs here, and nobody says where the service's database is.
    """
    if Stack(configuration).is_running:
        from klaster_local.supervising.blueprint import Blueprint  # with the embedded engines, which other ways to run do without

        return Blueprint(configuration.embedded()).environment(service)
    if f"{service.upper()}_DATABASE_URL" in {**configuration.environment, **environment}:
        return configuration.environment
    raise CommandFailed(
        f"Nothing runs here, and {service.upper()}_DATABASE_URL is not set.",
        f"With docker compose: docker compose exec {service} klaster-{service} {' '.join(words)}",
    )


def _given(option: str, value: object) -> tuple[str, ...]:
    return () if value is None else (option, str(value))


def _flags(**flags: bool) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name, given in flags.items() if given]
