"""`klaster tail`, `outbox`, `parked`, `positions`: messages on their way, and those that got stuck."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer
from pydantic_core import to_json
from rich.text import Text

from klaster_local.commands.output import AsJson, print_json, results
from klaster_local.configuration import SERVICES, Configuration
from klaster_local.connecting import kafka_servers_of
from klaster_local.endpoints import Endpoint, Json, endpoints
from klaster_local.failures import CommandFailed, WrongUsage
from klaster_local.tables import pairs, table
from klaster_local.tailing import Seen, tail, topics_like
from klaster_local.tailing_view import document_of, line_of

ParkedId = Annotated[str, typer.Argument(metavar="SERVICE:ID", help="As `klaster parked list` shows it, such as budget:17.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the act.")]

parked_app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled: look, try again, give up.")
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


def outbox(*, json: AsJson = False) -> None:
    """Show what the services have recorded and not yet published."""

    async def ask(services: dict[str, Endpoint]) -> dict[str, Json]:
        found = await asyncio.gather(*(service.get("/admin/outbox") for service in services.values()))
        return dict(zip(services, found, strict=True))

    listings = _with_services(ask)
    if json:
        print_json(listings)
        return
    right = ("pending", "dead")
    counts = table("", "service", *right, "oldest", right=right)
    rows = table("\nMessages", "service", "id", "type", "key", "recorded", "attempts", "", right=("attempts",), yielding=("",))
    for name, listing in listings.items():
        counts.add_row(name, str(listing["pending"]), str(listing["dead"]), _moment(listing["oldest"]))
        for row in listing["items"]:
            state = "dead" if row["dead"] else ""
            rows.add_row(
                name, str(row["id"]), row["type"], row["key"], _moment(row["recorded_at"]), str(row["attempts"]), f"{state} {row['error'] or ''}"
            )
    results().print(counts)
    if rows.row_count:
        results().print(rows)


@parked_app.command("list")
def list_parked(
    *,
    consumer: Annotated[str | None, typer.Option(help="Only of this consumer, such as budget.events.")] = None,
    key: Annotated[str | None, typer.Option(help="Only of this key.")] = None,
    state: Annotated[str | None, typer.Option(help="Only due, waiting or held.")] = None,
    json: AsJson = False,
) -> None:
    """List parked messages of all services, oldest first."""

    async def ask(services: dict[str, Endpoint]) -> list[Json]:
        found = await asyncio.gather(*(service.parked(consumer=consumer, key=key, state=state) for service in services.values()))
        return [{"service": name, **row} for name, rows in zip(services, found, strict=True) for row in rows]

    rows = _with_services(ask)
    if json:
        print_json(rows)
        return
    if not rows:
        results().print("Nothing is parked.")
        return
    found = table(
        "",
        "id",
        "consumer",
        "type",
        "key",
        "state",
        "reason",
        "attempts",
        "next",
        "error",
        right=("attempts",),
        yielding=("type", "key", "reason", "next", "error"),
    )
    for row in rows:
        number = f"{row['service']}:{row['id']}"
        found.add_row(
            number, row["consumer"], row["type"] or "", row["key"] or "", row["state"], row["reason"], str(row["attempts"]),
            _moment(row["next_attempt_at"]), row["error"] or "",
        )  # fmt: skip
    results().print(found)


@parked_app.command("show")
def show_parked(
    parked: ParkedId,
    *,
    payload: Annotated[bool, typer.Option("--payload", help="Headers and value too, which may hold personal fields.")] = False,
    json: AsJson = False,
) -> None:
    """Show one parked message."""
    service, number = _parked_id(parked)
    shown = _with_services(lambda services: services[service].get(f"/admin/parked/{number}", payload="true" if payload else None))
    _print_one(shown, json=json)


@parked_app.command("retry")
def retry_parked(parked: ParkedId, *, json: AsJson = False) -> None:
    """Handle a parked message again at once; it must be the first of its key."""
    service, number = _parked_id(parked)
    _print_one(_with_services(lambda services: services[service].post(f"/admin/parked/{number}/retry")), json=json)


@parked_app.command("skip")
def skip_parked(parked: ParkedId, reason: Reason, *, json: AsJson = False) -> None:
    """Give a parked message up; it must be the first of its key."""
    service, number = _parked_id(parked)
    _print_one(_with_services(lambda services: services[service].post(f"/admin/parked/{number}/skip", {"reason": reason})), json=json)


@positions_app.command("show")
def show_positions(*, json: AsJson = False) -> None:
    """Show where every consumer stands, per partition."""

    async def ask(services: dict[str, Endpoint]) -> list[Json]:
        found = await asyncio.gather(*(service.positions() for service in services.values()))
        return [row for rows in found for row in rows]

    rows = _with_services(ask)
    if json:
        print_json(rows)
        return
    right = ("partition", "next offset")
    found = table("", "consumer", "topic", *right, "moved", right=right)
    for row in rows:
        found.add_row(row["consumer"], row["topic"], str(row["partition"]), str(row["next_offset"]), _moment(row["moved_at"]))
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
    service = consumer.partition(".")[0]
    if service not in SERVICES:
        raise WrongUsage(f"A consumer is called SERVICE.SOURCE, and no service is called {service!r}.")
    body = {"consumer": consumer, "topic": topic, "partition": partition, "offset": to, "reason": reason}
    _with_services(lambda services: services[service].post("/admin/positions/reset", body))
    results().print(f"{consumer} reads {topic}/{partition} from {to} on.")


def _with_services[T](ask: Callable[[dict[str, Endpoint]], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with endpoints(Configuration.load()) as services:
            return await ask(services)

    return asyncio.run(run())


def _parked_id(given: str) -> tuple[str, int]:
    service, _, number = given.partition(":")
    if service not in SERVICES or not number.isdecimal():
        raise WrongUsage(f"{given!r} names no parked message; it is SERVICE:ID, such as budget:17.")
    return service, int(number)


def _print_one(shown: Any, *, json: bool) -> None:
    if not isinstance(shown, dict):
        raise CommandFailed("The service answered nothing that can be shown.")
    if json:
        print_json(shown)
        return
    found = pairs()
    for name, value in shown.items():
        if value is not None:
            found.add_row(Text(name, "dim"), Text(str(value)))
    results().print(found)


def _moment(text: str | None) -> str:
    """RFC 3339 without fractions."""
    return "" if text is None else text[:19].replace("T", " ")
