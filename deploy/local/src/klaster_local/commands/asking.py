"""What the commands that ask services have in common: the asking itself, names such as `budget:17`, and moments."""

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from klaster_local.commands.output import print_json, results
from klaster_local.configuration import SERVICES, Configuration
from klaster_local.endpoints import Endpoint, endpoints
from klaster_local.failures import CommandFailed, WrongUsage
from klaster_local.tables import pairs

_AGE: Final = re.compile(r"(\d{1,5})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

Reason = Annotated[str, typer.Option(help="Why; it is kept with the act.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why; it is kept with the act.")]
Since = Annotated[str | None, typer.Option(help="Only from then on: an age such as 30m, 2h, 3d, or an instant such as 2026-11-23T10:00:00Z.")]
Until = Annotated[str | None, typer.Option(help="Only before then: an age or an instant.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def with_services[T](ask: Callable[[dict[str, Endpoint]], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with endpoints(Configuration.load()) as services:
            return await ask(services)

    return asyncio.run(run())


def numbered(given: str, what: str) -> tuple[str, int]:
    """`budget:17` as service and number."""
    service, _, number = given.partition(":")
    if service not in SERVICES or not (number.isascii() and number.isdecimal()):
        raise WrongUsage(f"{given!r} names no {what}; it is SERVICE:ID, such as budget:17.")
    return service, int(number)


def service_of(consumer: str) -> str:
    """`budget.events` belongs to budget."""
    service = consumer.partition(".")[0]
    if service not in SERVICES:
        raise WrongUsage(f"A consumer is called SERVICE.SOURCE, and no service is called {service!r}.")
    return service


def instant(given: str | None, *, now: datetime | None = None) -> str | None:
    """An age (`2h` is two hours ago) or an instant as the instant that services understand."""
    if given is None:
        return None
    if age := _AGE.fullmatch(given):
        return ((now or datetime.now(UTC)) - timedelta(**{_UNITS[age[2]]: int(age[1])})).isoformat()
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise WrongUsage(f"{given!r} is neither an age such as 30m, 2h or 3d nor an instant such as 2026-11-23T10:00:00Z.") from None
    return moment.astimezone(UTC).isoformat()


def confirm(question: str, *, yes: bool) -> None:
    """Asks at a terminal. Raises CommandFailed when the answer is no, WrongUsage where there is nobody to answer."""
    if yes:
        return
    if not is_terminal():
        raise WrongUsage("Nobody is here to be asked; --yes says that it is meant.")
    if not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was done.")


def is_terminal() -> bool:
    return sys.stdin.isatty()


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def print_one(shown: Any, *, json: bool) -> None:
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


def moment(text: str | None) -> str:
    """RFC 3339 without fractions."""
    return "" if text is None else text[:19].replace("T", " ")
