"""`klaster outbox`: what has been recorded and not yet published. Nothing is ever dropped from it."""

import asyncio
from typing import Annotated

import typer

from klaster_local.commands.asking import Why, counted, moment, numbered, print_one, with_services
from klaster_local.commands.output import AsJson, print_json, results
from klaster_local.endpoints import Endpoint, Json
from klaster_local.failures import WrongUsage
from klaster_local.parked_view import short_type
from klaster_local.tables import cut, table

outbox_app = typer.Typer(invoke_without_command=True, help="Show what the services have recorded and not yet published; put a dead row back.")

RowId = Annotated[str | None, typer.Argument(metavar="SERVICE:ID", help="As `klaster outbox` shows it, such as events:17.", show_default=False)]


@outbox_app.callback()
def outbox(context: typer.Context, *, json: AsJson = False) -> None:
    """Show what the services have recorded and not yet published."""
    if context.invoked_subcommand is not None:
        return

    async def ask(services: dict[str, Endpoint]) -> dict[str, Json]:
        found = await asyncio.gather(*(service.outbox() for service in services.values()))
        return dict(zip(services, found, strict=True))

    listings = with_services(ask)
    if json:
        print_json(listings)
        return
    right = ("pending", "dead", "scheduled")
    counts = table("", "service", "pending", "dead", "oldest", "scheduled", "next due", right=right)
    for name, listing in listings.items():
        numbers = {column: str(listing[column]) for column in right}
        counts.add_row(
            name, numbers["pending"], numbers["dead"], moment(listing["oldest"]), numbers["scheduled"], moment(listing["next_due"])
        )  # fmt: skip
    results().print(counts)
    if _print_rows("\nDead", listings, dead=True):
        results().print("The broker refuses them, and each holds up its own key; `klaster outbox requeue` puts them back once that is mended.")
    _print_rows("\nWaiting", listings, dead=False)


def _print_rows(title: str, listings: dict[str, Json], *, dead: bool) -> bool:
    rows = table(title, "id", "type", "key", "recorded", "attempts", "error", right=("attempts",), yielding=("type", "key", "error"))
    for name, listing in listings.items():
        for row in listing["items"]:
            if row["dead"] is dead:
                rows.add_row(
                    f"{name}:{row['id']}", cut(short_type(row["type"])), cut(row["key"]), moment(row["recorded_at"]), str(row["attempts"]),
                    cut(row["error"] or ""),
                )  # fmt: skip
    if rows.row_count:
        results().print(rows)
    return bool(rows.row_count)


@outbox_app.command("requeue")
def requeue(
    row: RowId = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every dead row of every service.")] = False,
    reason: Why = None,
    json: AsJson = False,
) -> None:
    """Give a dead row to the relay again, once what the broker disliked is mended. What waits behind it follows in order."""
    if (row is None) is not every:
        raise WrongUsage("Either one row, such as events:17, or --all.")
    body = None if reason is None else {"reason": reason}
    if row is not None:
        service, number = numbered(row, "row of an outbox")
        print_one(with_services(lambda services: services[service].post(f"/admin/outbox/{number}/requeue", body)), json=json)
        return

    async def ask(services: dict[str, Endpoint]) -> list[str]:
        done: list[str] = []
        for name, service in services.items():
            for dead in await service.items("/admin/outbox", dead="true"):
                await service.post(f"/admin/outbox/{dead['id']}/requeue", body)
                done.append(f"{name}:{dead['id']}")
        return done

    requeued = with_services(ask)
    if json:
        print_json({"requeued": requeued})
    else:
        results().print(f"{counted(len(requeued), 'dead row was', 'dead rows were')} put back." if requeued else "No row is dead.")
