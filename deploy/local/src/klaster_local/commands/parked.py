"""`klaster parked`: messages that could not be handled, one at a time or many."""

import asyncio
from typing import Annotated, Any

import typer

from klaster_local.commands import asking
from klaster_local.commands.asking import (
    DryRun,
    Reason,
    Since,
    Until,
    Why,
    Yes,
    confirm,
    counted,
    instant,
    numbered,
    print_one,
    service_of,
    with_services,
)
from klaster_local.commands.output import AsJson, print_json, results
from klaster_local.endpoints import Endpoint, Json
from klaster_local.failures import WrongUsage
from klaster_local.parked_view import acts_view, parked_view

parked_app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled: look, try again, give up, carry.")

HEADS_AT_ONCE = 100
_METAVAR = "SERVICE:ID"
_HELP = "As `klaster parked list` shows it, such as budget:17."

ParkedId = Annotated[str, typer.Argument(metavar=_METAVAR, help=_HELP)]
MaybeParkedId = Annotated[str | None, typer.Argument(metavar=_METAVAR, help=f"{_HELP} Or options that say which.", show_default=False)]
ConsumerName = Annotated[str | None, typer.Option(help="Only of this consumer, such as budget.events.")]
Topic = Annotated[str | None, typer.Option(help="Only from this topic, by its full name.")]
Key = Annotated[str | None, typer.Option(help="Only of this key.")]
Type = Annotated[str | None, typer.Option(help="Only of this type, such as EventApproved.")]
ParkedState = Annotated[str | None, typer.Option(help="Only due, waiting or held.")]
ParkedReason = Annotated[str | None, typer.Option("--parked-reason", help="Only those parked for this reason, such as rate-missing.")]
ListedReason = Annotated[str | None, typer.Option("--reason", "--parked-reason", help="Only those parked for this reason, such as rate-missing.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them, where no other option says which.")]

type Wanted = dict[str, str]


@parked_app.command("list")
def list_parked(
    *,
    consumer: ConsumerName = None,
    topic: Topic = None,
    key: Key = None,
    type: Type = None,  # noqa: A002 - the option's name
    reason: ListedReason = None,
    state: ParkedState = None,
    since: Since = None,
    until: Until = None,
    json: AsJson = False,
) -> None:
    """List parked messages of all services, oldest first within each, one line each."""
    wanted = _wanted(consumer=consumer, topic=topic, key=key, type=type, reason=reason, state=state, since=since, until=until)

    async def ask(services: dict[str, Endpoint]) -> list[Json]:
        asked = _meant(services, wanted)
        found = await asyncio.gather(*(service.parked(**wanted) for service in asked.values()))
        return [{"service": name, **row} for name, rows in zip(asked, found, strict=True) for row in rows]

    rows = with_services(ask)
    if json:
        print_json(rows)
    elif rows:
        results().print(parked_view(rows))
    else:
        results().print("Nothing that is parked is like that." if wanted else "Nothing is parked.")


@parked_app.command("show")
def show_parked(
    parked: ParkedId,
    *,
    payload: Annotated[bool, typer.Option("--payload", help="Headers and the whole value too, which may hold personal fields.")] = False,
    json: AsJson = False,
) -> None:
    """Show one parked message; what is personal in it is hidden."""
    service, number = numbered(parked, "parked message")
    print_one(with_services(lambda services: services[service].get(f"/admin/parked/{number}", payload="true" if payload else None)), json=json)


@parked_app.command("retry")
def retry_parked(
    parked: MaybeParkedId = None,
    *,
    consumer: ConsumerName = None,
    topic: Topic = None,
    key: Key = None,
    type: Type = None,  # noqa: A002 - the option's name
    parked_reason: ParkedReason = None,
    state: ParkedState = None,
    since: Since = None,
    until: Until = None,
    every: Everything = False,
    reason: Why = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Handle parked messages again at once: one, or the first of each key among those that the options name."""
    wanted = _wanted(consumer=consumer, topic=topic, key=key, type=type, reason=parked_reason, state=state, since=since, until=until)
    if parked is not None:
        service, number = _only_one(parked, wanted, every=every, dry_run=dry_run)
        print_one(with_services(lambda services: services[service].post(f"/admin/parked/{number}/retry", _said(reason))), json=json)
        return
    _some_or_all(wanted, every=every)
    done = with_services(lambda services: _act_on_all(services, "retry", wanted, {**_said(reason), "dry_run": dry_run}))
    _print_touched(done, "retried", json=json, dry_run=dry_run)


@parked_app.command("skip")
def skip_parked(
    parked: MaybeParkedId = None,
    *,
    reason: Reason,
    consumer: ConsumerName = None,
    topic: Topic = None,
    key: Key = None,
    type: Type = None,  # noqa: A002 - the option's name
    parked_reason: ParkedReason = None,
    state: ParkedState = None,
    since: Since = None,
    until: Until = None,
    every: Everything = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Give parked messages up for good: one, or the first of each key among those that the options name."""
    wanted = _wanted(consumer=consumer, topic=topic, key=key, type=type, reason=parked_reason, state=state, since=since, until=until)
    if parked is not None:
        service, number = _only_one(parked, wanted, every=every, dry_run=dry_run)
        _confirm_at_a_terminal(parked, yes=yes)
        print_one(with_services(lambda services: services[service].post(f"/admin/parked/{number}/skip", {"reason": reason})), json=json)
        return
    _some_or_all(wanted, every=every)
    would = with_services(lambda services: _act_on_all(services, "skip", wanted, {"reason": reason, "dry_run": True}))
    if dry_run or not would["touched"]:
        _print_touched(would, "given up", json=json, dry_run=dry_run)
        return
    confirm(f"Give up {counted(len(would['touched']), 'message', 'messages')} for good?", yes=yes)
    done = with_services(lambda services: _act_on_all(services, "skip", wanted, {"reason": reason, "dry_run": False}))
    _print_touched(done, "given up", json=json, dry_run=False)


@parked_app.command("audit")
def audit(
    *,
    consumer: Annotated[str | None, typer.Option(help="Only acts on this consumer's messages, or `outbox`.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this act, such as skip.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this actor.")] = None,
    since: Since = None,
    until: Until = None,
    last: Annotated[int, typer.Option(min=1, max=200, help="How many of each service, the newest first.")] = 50,
    json: AsJson = False,
) -> None:
    """Show who has retried, skipped, edited, carried or put back what, when and why."""
    asked = {"consumer": consumer, "action": action, "actor": actor, "since": instant(since), "until": instant(until)}

    async def ask(services: dict[str, Endpoint]) -> list[Json]:
        found = await asyncio.gather(*(service.get("/admin/acts", **asked, limit=last) for service in services.values()))
        return [{"service": name, **act} for name, page in zip(services, found, strict=True) for act in page["items"]]

    acts = sorted(with_services(ask), key=lambda act: str(act["at"]), reverse=True)
    if json:
        print_json(acts)
    elif acts:
        results().print(acts_view(acts))
    else:
        results().print("Nobody has done anything like that." if any(asked.values()) else "Nobody has done anything yet.")


def wanted_of(**given: str | None) -> Wanted:
    """The filter as services take it."""
    return {name: value for name, value in given.items() if value is not None}


def _wanted(*, since: str | None, until: str | None, **given: str | None) -> Wanted:
    return wanted_of(**given, since=instant(since), until=instant(until))


def _meant(services: dict[str, Endpoint], wanted: Wanted) -> dict[str, Endpoint]:
    """A consumer's name says which service it belongs to."""
    if "consumer" not in wanted:
        return {name: service for name, service in services.items() if service.is_consumer}
    name = service_of(wanted["consumer"])
    return {name: services[name]}


def _only_one(parked: str, wanted: Wanted, *, every: bool, dry_run: bool) -> tuple[str, int]:
    if wanted or every or dry_run:
        raise WrongUsage("Either one message, such as budget:17, or options that say which, not both; --dry-run goes with the options.")
    return numbered(parked, "parked message")


def _some_or_all(wanted: Wanted, *, every: bool) -> None:
    if not wanted and not every:
        raise WrongUsage("Which? Name one message, such as budget:17, give options such as --key or --parked-reason, or --all.")


def _confirm_at_a_terminal(parked: str, *, yes: bool) -> None:
    """Who names the one message and the reason in a script has said enough."""
    if asking.is_terminal():
        confirm(f"Give up {parked} for good?", yes=yes)


def _said(reason: str | None) -> Json:
    return {} if reason is None else {"reason": reason}


async def _act_on_all(services: dict[str, Endpoint], act: str, wanted: Wanted, body: Json) -> Json:
    """Page after page, service after service; ids as people name them."""
    touched: list[str] = []
    waiting = 0
    for name, service in _meant(services, wanted).items():
        cursor: int | None = 0
        while cursor is not None:
            page: Any = await service.post(f"/admin/parked/{act}", {**body, "wanted": wanted, "cursor": cursor, "limit": HEADS_AT_ONCE})
            touched += [f"{name}:{number}" for number in page["touched"]]
            waiting += page["waiting"]
            cursor = page["next"]
    return {"dry_run": body["dry_run"], "touched": touched, "waiting": waiting}


def _print_touched(done: Json, what: str, *, json: bool, dry_run: bool) -> None:
    if json:
        print_json(done)
        return
    number, waiting = len(done["touched"]), done["waiting"]
    if not number and not waiting:
        results().print("Nothing that is parked is like that.")
        return
    verb = "would be" if dry_run else ("was" if number == 1 else "were")
    sentence = f"{counted(number, 'message', 'messages')} {verb} {what}."
    if waiting:
        sentence += (
            f" {counted(waiting, 'more waits', 'more wait')} behind another of the same key and {'is' if waiting == 1 else 'are'} not touched."
        )
    results().print(sentence)
