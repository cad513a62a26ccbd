"""`klaster parked edit`, `export` and `import`: what changes a parked message, or takes it from one database to another."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic_core import from_json, to_json

from klaster_local.commands.asking import DryRun, Reason, Since, Until, counted, instant, numbered, print_one, service_of, with_services
from klaster_local.commands.output import AsJson, print_json, progress, results
from klaster_local.commands.parked import ConsumerName, Key, ListedReason, ParkedId, ParkedState, Topic, Type, wanted_of
from klaster_local.endpoints import Endpoint, Json
from klaster_local.failures import CommandFailed, WrongUsage

LINES_AT_ONCE: Final = 100
BYTES_AT_ONCE: Final = 900_000
"""A service reads bodies of up to 1 MiB."""
MEMBERS: Final = ("consumer", "topic", "partition", "offset", "logged_at", "key_base64", "headers", "value_base64", "reason", "error", "state")

Incoming = Annotated[Path, typer.Argument(metavar="FILE", help="The file; - for standard input.", allow_dash=True, exists=True, dir_okay=False)]


def add_to(parked: typer.Typer) -> None:
    """Puts the three beside the other commands of `klaster parked`."""
    parked.command("edit")(edit_parked)
    parked.command("export")(export_parked)
    parked.command("import")(import_parked)


def edit_parked(parked: ParkedId, value: Incoming, *, reason: Reason, json: AsJson = False) -> None:
    """Give a parked message another value, the JSON text in FILE, and handle it again; where the service allows it (KLASTER_PARKED_EDITING)."""
    service, number = numbered(parked, "parked message")
    try:
        body = {"value": _read(value).decode(), "reason": reason}
    except UnicodeDecodeError:
        raise WrongUsage(f"{value} is no text in UTF-8.") from None
    print_one(with_services(lambda services: services[service].post(f"/admin/parked/{number}/edit", body)), json=json)


def export_parked(
    *,
    payload: Annotated[bool, typer.Option("--payload", help="Says that personal fields are meant to be in it; needed.")] = False,
    to: Annotated[Path | None, typer.Option(help="A file that is not there yet; standard output without it.", dir_okay=False)] = None,
    consumer: ConsumerName = None,
    topic: Topic = None,
    key: Key = None,
    type: Type = None,  # noqa: A002 - the option's name
    reason: ListedReason = None,
    state: ParkedState = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write parked messages out, byte for byte, one JSON document per line."""
    if not payload:
        raise WrongUsage("An export holds the messages whole, with what is personal in them; --payload says that this is meant.")
    wanted = wanted_of(consumer=consumer, topic=topic, key=key, type=type, reason=reason, state=state, since=instant(since), until=instant(until))
    if to is None:
        with_services(lambda services: _export(services, wanted, sys.stdout.buffer))
        return
    try:
        to.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise WrongUsage(f"{to} is there already.") from None
    with to.open("wb") as file:
        written = with_services(lambda services: _export(services, wanted, file))
    progress(json=False).print(f"{counted(written, 'message', 'messages')} in {to}, with what is personal in {'it' if written == 1 else 'them'}.")


async def _export(services: dict[str, Endpoint], wanted: dict[str, str], to: Any) -> int:
    only = service_of(wanted["consumer"]) if "consumer" in wanted else None
    written = 0
    for name, service in services.items():
        if service.is_consumer and only in {None, name}:
            async for part in service.content("/admin/parked/export", payload="true", **wanted):
                to.write(part)
                written += part.count(b"\n")
    to.flush()
    return written


def import_parked(file: Incoming, *, reason: Reason, dry_run: DryRun = False, json: AsJson = False) -> None:
    """Park exported messages again, in their order, behind what is queued for their keys; what is parked or applied already is left alone."""
    batches, too_large = _batches(_lines(file))

    async def ask(services: dict[str, Endpoint]) -> Json:
        total = {"dry_run": dry_run, "parked": 0, "already_parked": 0, "already_applied": 0, "too_large_lines": too_large}
        for service, lines in batches:
            done = await services[service].post("/admin/parked/import", {"lines": lines, "reason": reason, "dry_run": dry_run})
            for name in ("parked", "already_parked", "already_applied"):
                total[name] += done[name]
        return total

    total = with_services(ask)
    if json:
        print_json(total)
    else:
        verb = "would be parked" if dry_run else ("was parked" if total["parked"] == 1 else "were parked")
        results().print(
            f"{counted(total['parked'], 'message', 'messages')} {verb}; {total['already_parked']} parked already, "
            f"{total['already_applied']} applied already."
        )
    if too_large:
        numbers = ", ".join(map(str, too_large))
        raise CommandFailed(f"Left out, because a request cannot hold them: line {numbers}. No consumer takes a message of that size either.")


def _lines(file: Path) -> Iterator[tuple[int, Json]]:
    for number, line in enumerate(_read(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = from_json(line)
            yield number, {name: document[name] for name in MEMBERS}
        except (ValueError, KeyError, TypeError):
            raise WrongUsage(f"Line {number} of {file} is no line of an export.") from None


def _batches(lines: Iterator[tuple[int, Json]]) -> tuple[list[tuple[str, list[Json]]], list[int]]:
    """What is sent at once, in the order of the file; and the numbers of lines that no request can hold."""
    batches: list[tuple[str, list[Json]]] = []
    too_large: list[int] = []
    size = 0
    for number, line in lines:
        service, length = service_of(str(line["consumer"])), len(to_json(line))
        if length > BYTES_AT_ONCE:
            too_large.append(number)
        elif batches and batches[-1][0] == service and len(batches[-1][1]) < LINES_AT_ONCE and size + length <= BYTES_AT_ONCE:
            batches[-1][1].append(line)
            size += length
        else:
            batches.append((service, [line]))
            size = length
    return batches, too_large


def _read(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
