"""`klaster topics`: holds a broker to `deploy/kafka/topics.yaml`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.text import Text

from klaster_local import topics
from klaster_local.commands.output import AsJson, print_json, results
from klaster_local.configuration import Configuration
from klaster_local.connecting import kafka_servers_of
from klaster_local.failures import CommandFailed

topics_app = typer.Typer(no_args_is_help=True, help="Hold a broker to the declared topics.")

File = Annotated[Path | None, typer.Option(help="The declaration; default: deploy/kafka/topics.yaml of the checkout.")]
Replicas = Annotated[int, typer.Option(min=1, help="The replication factor: 1 on a laptop, 3 in a cluster.")]


@topics_app.command("plan")
def plan(*, file: File = None, replication_factor: Replicas = 1, json: AsJson = False) -> None:
    """Show what `apply` would do; nothing is changed."""
    _show_plan(_planned(file, replication_factor)[0], json=json)


@topics_app.command("check")
def check(*, file: File = None, replication_factor: Replicas = 1, json: AsJson = False) -> None:
    """Exit code 1 when the broker's topics are not as declared."""
    planned, _ = _planned(file, replication_factor)
    _show_plan(planned, json=json)
    if planned.is_drift:
        raise typer.Exit(1)


@topics_app.command("apply")
def apply(*, file: File = None, replication_factor: Replicas = 1, json: AsJson = False) -> None:
    """Create missing topics and correct settings; exit code 1 when something is left that only people may mend."""
    planned, admin = _planned(file, replication_factor)
    try:
        applied = topics.apply(planned, admin)
    except KafkaException as error:
        raise CommandFailed(f"Kafka does not answer: {error.args[0].str()}") from error
    if json:
        print_json({"applied": applied, "refusals": planned.refusals})
    else:
        console = results()
        _list(console, "created", applied.created, "green")
        _list(console, "altered", applied.altered, "yellow")
        for failure in (*planned.refusals, *applied.failures):
            console.print(Text(f"{failure.topic} {failure.reason}", "red"))
        if not (applied.created or applied.altered or planned.refusals or applied.failures):
            console.print("All topics are as declared.")
    if applied.failures or planned.refusals:
        raise typer.Exit(1)


def _planned(file: Path | None, replication_factor: int) -> tuple[topics.Plan, AdminClient]:
    configuration = Configuration.load()
    servers = kafka_servers_of(configuration)
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})
    try:
        declared = topics.declared(file or configuration.topics_file)
        return topics.plan(declared, topics.look(admin), replication_factor=replication_factor), admin
    except topics.UnreadableDeclaration as error:
        raise CommandFailed(str(error)) from error
    except KafkaException as error:
        raise CommandFailed(f"Kafka does not answer at {servers} ({error.args[0].name()}): is it running?") from error


def _show_plan(planned: topics.Plan, *, json: bool) -> None:
    if json:
        print_json({"drift": planned.is_drift, "plan": planned})
        return
    console = results()
    _list(console, "to be created", (f"{each.topic} ({each.partitions} partitions)" for each in planned.creations), "green")
    for alteration in planned.alterations:
        changes = ", ".join(f"{name}: {alteration.instead_of.get(name, 'unset')} → {value}" for name, value in alteration.settings.items())
        console.print(Text.assemble(("to be altered  ", "yellow"), f"{alteration.topic}: {changes}"))
    for refusal in planned.refusals:
        console.print(Text.assemble(("refused        ", "red"), f"{refusal.topic} {refusal.reason}"))
    _list(console, "undeclared", planned.unknown, "red")
    if not planned.is_drift:
        console.print("All topics are as declared.")


def _list(console: Console, what: str, names: Iterable[str], style: str) -> None:
    for name in names:
        console.print(Text.assemble((f"{what:<15}", style), name))
