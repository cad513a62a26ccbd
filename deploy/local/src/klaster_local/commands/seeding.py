"""`klaster seed`: loads the project into whatever runs at the configured addresses."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from klaster_local.commands.output import AsJson, progress
from klaster_local.commands.stack import load_and_summarise, show_summary
from klaster_local.configuration import SERVICES, Configuration
from klaster_local.failures import CommandFailed
from klaster_local.phases import Phases
from klaster_local.readiness import listens
from klaster_local.seeding.reading import read_seed


def seed(
    *,
    directory: Annotated[Path | None, typer.Option(help="Another seed; default: deploy/seed/mrpo-8.2 of the checkout.")] = None,
    json: AsJson = False,
) -> None:
    """Load the MRPO 8.2 project, wait until every message has had its effect, and show the summary. Nothing is loaded twice."""
    configuration = Configuration.load()
    project = read_seed(directory or configuration.seed_directory)
    require_somebody(configuration)
    console = progress(json=json)
    phases = Phases(console)
    with phases.shown():
        summary = asyncio.run(load_and_summarise(configuration, phases, console, project))
    show_summary(summary, configuration, phases, json=json)


def require_somebody(configuration: Configuration) -> None:
    """Loading waits for a service that is being restarted; when nothing answers at all there is nothing to wait for.

    Raises CommandFailed, naming an address and the way out.
    """
    if not any(listens(configuration.url(name)) for name in SERVICES):
        raise CommandFailed(
            f"Nothing answers at {configuration.url(SERVICES[0])} or at the other services: start them with `make up` or docker compose."
        )
