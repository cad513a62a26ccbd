"""`klaster tail`, `positions`: messages on their way, and how far their readers are."""

import asyncio
from typing import Annotated

import typer
from pydantic_core import to_json
from rich.text import Text

from klaster_local.commands.asking import Reason, moment, service_of, with_services
from klaster_local.commands.output import AsJson, print_json, results
from klaster_local.configuration import Configuration
from klaster_local.connecting import kafka_servers_of
from klaster_local.endpoints import Endpoint, Json
from klaster_local.tables import table
from klaster_local.tailing import Seen, tail, topics_like
from klaster_local.tailing_view import document_of, line_of

positions_app = typer.Typer(no_args_is_help=True, help="Where the consumers stand in the topics.")


def show_tail(
    *,
    topic: Annotated[str | None, typer.Option(help="Only topics whose name contains this.")] = None,
    type: Annotated[str | None, typer.Option(help="Only this type, such as EventApproved.")] = None,  # noqa: A002 - the option's name
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="From the first message there is, not from now on.")] = False,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="End at the end of the topics instead of waiting for more.")] = False,
    show_personal: Annotated[bool, typer.Option("--show-personal", help="Show names and addresses of people, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs: one JSON document per line.")] = False,
) -> None:
    """Show messages as they flow, one line each. End with Ctrl-C."""
    configuration = Configuration.load()
    console = results()
    records = tail(
        kafka_servers_of(configuration), topics_like(topic), from_beginning=from_beginning, follow=not no_follow, show_personal=show_personal
    )
    try:
        for seen in records:
            if type is not None and type not in {seen.type, seen.envelope.type if seen.envelope else ""}:
                continue
            if json:
                typer.echo(to_json(document_of(seen)))
            else:
                console.print(_line(seen), soft_wrap=not console.is_terminal)
    except KeyboardInterrupt:
        return


def _line(seen: Seen) -> Text:
    line = line_of(seen)
    line.overflow = "ellipsis"
    return line


@positions_app.command("show")
def show_positions(*, json: AsJson = False) -> None:
    """Show where every consumer stands, per partition."""

    async def ask(services: dict[str, Endpoint]) -> list[Json]:
        found = await asyncio.gather(*(service.positions() for service in services.values()))
        return [row for rows in found for row in rows]

    rows = with_services(ask)
    if json:
        print_json(rows)
        return
    right = ("partition", "next offset")
    found = table("", "consumer", "topic", *right, "moved", right=right)
    for row in rows:
        found.add_row(row["consumer"], row["topic"], str(row["partition"]), str(row["next_offset"]), moment(row["moved_at"]))
    results().print(found)


@positions_app.command("reset")
def reset_position(
    consumer: Annotated[str, typer.Argument(help="Such as budget.events.")],
    topic: Annotated[str, typer.Argument(help="The topic's full name.")],
    partition: Annotated[int, typer.Argument(min=0)],
    to: Annotated[int, typer.Argument(metavar="OFFSET", min=0, help="The next offset to be read.")],
    reason: Reason,
) -> None:
    """Set where a consumer reads on in a partition: the way out when it was refused. What was handled before is recognised and not repeated."""
    service = service_of(consumer)
    body = {"consumer": consumer, "topic": topic, "partition": partition, "offset": to, "reason": reason}
    with_services(lambda services: services[service].post("/admin/positions/reset", body))
    results().print(f"{consumer} reads {topic}/{partition} from {to} on.")
