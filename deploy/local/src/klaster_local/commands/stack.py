"""`klaster up`, `down`, `restart`, `status`."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from klaster_local.commands.output import AsJson, print_json, progress, results
from klaster_local.configuration import SERVICES, Configuration
from klaster_local.connecting import kafka_servers_of
from klaster_local.endpoints import endpoints
from klaster_local.failures import CommandFailed, WrongUsage
from klaster_local.phases import Phases
from klaster_local.project import load_project, settled_summary
from klaster_local.seeding.model import Seed
from klaster_local.seeding.reading import read_seed
from klaster_local.settings_check import complaints
from klaster_local.stack import Stack
from klaster_local.status import status_of
from klaster_local.status_view import status_view
from klaster_local.summary import Summary
from klaster_local.summary_view import summary_view


def up(
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Return as soon as the supervisor lives; do not wait, do not seed.")] = False,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="Start with what is there; load nothing.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Stop what runs and remove all databases, messages and mails first.")] = False,
    json: AsJson = False,
) -> None:
    """Start PostgreSQL, Kafka and the four services, load the MRPO 8.2 project, and show what has become of it.

    The stack stays up in the background when the command ends; `klaster down` stops it. Called again, it loads nothing twice.
    """
    configuration = Configuration.load().embedded()
    seed = None if no_seed or detach else read_seed(configuration.seed_directory)
    stack, console = Stack(configuration), progress(json=json)
    if fresh:
        stack.stop()
        stack.wipe()
        configuration = Configuration.load().embedded()  # the stopped one may have had other ports
        stack = Stack(configuration)
    phases = Phases(console)
    try:
        with phases.shown():
            if stack.is_running:
                starting = stack.is_starting
                console.print("It is being started here already; this waits for that start." if starting else "Already running here.")
                if detach:
                    return
                stack.follow(lambda record: phases.follow(record.phases) if starting else None)
            else:
                require_usable_settings(configuration)
                stack.start()
                if detach:
                    console.print("Started; `klaster status` shows how it comes up, `klaster seed` loads the project.")
                    return
                stack.follow(lambda record: phases.follow(record.phases))
            summary = asyncio.run(load_and_summarise(configuration, phases, console, seed))
    except KeyboardInterrupt:
        raise CommandFailed("Interrupted. The stack goes on in the background; `make down` stops it.") from None
    show_summary(summary, configuration, phases, json=json)


def require_usable_settings(configuration: Configuration) -> None:
    """Raises WrongUsage with the services' own sentences."""
    if sentences := complaints(configuration):
        raise WrongUsage(sentences[0], "\n".join(sentences[1:]))


def down() -> None:
    """Stop everything that `klaster up` has started, also after its supervisor was killed."""
    was_running = Stack(Configuration.load()).stop()
    results().print("Stopped; nothing is left running." if was_running else "Nothing was running here.")


def restart(part: Annotated[str, typer.Argument(metavar="SERVICE", help="partners, events, budget, notifications, or an engine.")]) -> None:
    """Stop one part of the running stack and start it again."""
    stack = Stack(Configuration.load())
    stack.restart(part)
    results().print(f"{part} has been restarted and is ready.")


def status(*, json: AsJson = False) -> None:
    """Show every part with its process, memory and restarts, and the alert conditions. Exit code 1 when a part is not running."""
    configuration = Configuration.load()
    found = asyncio.run(status_of(configuration))
    if json:
        print_json(found)
    else:
        results().print(status_view(found))
    if not found.is_up:
        raise typer.Exit(1)


async def load_and_summarise(configuration: Configuration, phases: Phases, console: Console, seed: Seed | None) -> Summary:
    """Loads the seed, if one is given, and sums up what has become of everything."""
    servers = kafka_servers_of(configuration)
    if seed is not None:
        with phases.phase("seed") as phase:
            tally = await load_project(configuration, servers, seed, told=lambda words: setattr(phase, "note", words))
        if not tally.added:
            console.print("The project was loaded before: nothing new.")
    async with endpoints(configuration) as services:
        with phases.phase("effects") as phase:
            return await settled_summary(services, servers, told=lambda words: setattr(phase, "note", words))


def show_summary(summary: Summary, configuration: Configuration, phases: Phases, *, json: bool) -> None:
    urls = {name: configuration.url(name) for name in SERVICES}
    if json:
        print_json({"summary": summary, "urls": urls, "phases": phases.durations(), "seconds": round(phases.total, 2)})
        return
    docs = {name: f"{url}   {url}/docs" for name, url in urls.items()}
    engines = {"Kafka": kafka_servers_of(configuration), "mails": f"{configuration.state / 'mail'}   (klaster mail)"}
    console = results()
    console.print(summary_view(summary, docs | engines))
    console.print(f"\n[bold]Ready after {phases.total:.1f} s.[/]  Messages as they flow: ./klaster tail   health: ./klaster status   stop: make down")
