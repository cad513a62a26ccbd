"""`replay` and `rebuild` on every service's command line: the service's own handlers and database, beside the running service.

The one rule: what is changed is said before and after, and kept with who and why; a rehearsal (`--dry-run`) changes nothing at all.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self

import typer

from klaster_shared.db.failures import DATABASE_FAILURES, sqlstate_of
from klaster_shared.errors import Kind, KlasterError
from klaster_shared.origin import LOCAL_ACTOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klaster_shared.consuming.handling import Consumer
    from klaster_shared.db.unit_of_work import Transactions
    from klaster_shared.settings import ServiceSettings

Name = Annotated[str, typer.Option("--consumer", help="Such as notifications.partners.")]
From = Annotated[
    str,
    typer.Option(
        "--from", metavar="BOUND", help="`beginning`, an instant such as 2026-11-23T12:00:00Z, or TOPIC/PARTITION:OFFSET (several: commas)."
    ),
]
To = Annotated[str, typer.Option("--to", metavar="BOUND", help="The same, or `end`: what is there when the replay begins. Itself not included.")]
Topic = Annotated[str | None, typer.Option(help="Only this topic of those that the consumer reads.")]
PartitionNumber = Annotated[int | None, typer.Option("--partition", min=0, help="Only this partition.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be done.")]
Reason = Annotated[str | None, typer.Option(help="Why; it is kept with the act. Needed unless it is a dry run.")]
Actor = Annotated[str, typer.Option(help="Who; it is kept with the act.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on standard output.")]
AllowFailures = Annotated[
    bool, typer.Option("--allow-failures", help="Leave out messages that their handlers refuse; by default they end the rebuild.")
]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the work needs of a service, made by its composition root; nothing of it is started."""

    parts: Any
    settings: "ServiceSettings"
    consumers: "Sequence[Consumer]"
    transactions: "Transactions[Any]"

    @classmethod
    def of(cls, package: str, settings: "ServiceSettings") -> "Workshop":
        parts = import_module(f"{package}.bootstrap").build(settings)
        assembly = getattr(parts, "assembly", parts)
        return cls(parts, settings, assembly.consumers, assembly.transactions)

    def consumer(self, name: str) -> "Consumer":
        found = next((consumer for consumer in self.consumers if consumer.name == name), None)
        if found is None:
            known = ", ".join(consumer.name for consumer in self.consumers) or "none"
            raise WrongUsage(f"There is no consumer {name!r} here; there are: {known}.")
        return found


class WrongUsage(Exception):
    """One sentence."""


type Prepare = Callable[[], Workshop]


def add_replay_commands(cli: typer.Typer, command: str, prepare: Prepare) -> None:
    """`prepare` loads the settings, ends the process where they are wrong, and builds the service's parts."""
    _add_replay(cli, command, prepare)
    _add_rebuild(cli, command, prepare)


def _add_replay(cli: typer.Typer, command: str, prepare: Prepare) -> None:
    @cli.command("replay")
    def replay_command(
        *,
        consumer: Name,
        begin: From,
        end: To = "end",
        topic: Topic = None,
        partition: PartitionNumber = None,
        dry_run: DryRun = False,
        reason: Reason = None,
        actor: Actor = LOCAL_ACTOR,
        as_json: AsJson = False,
    ) -> None:
        """Handle a part of the log once more, beside the running consumer: replay-safe handlers alone, and nothing is published."""
        from klaster_shared.consuming.log_reading import KafkaLog
        from klaster_shared.consuming.log_spans import LogEdges, bound, spans
        from klaster_shared.consuming.replaying import Fate, Replay

        async def work(workshop: Workshop) -> int:
            of, servers = workshop.consumer(consumer), workshop.settings.kafka_servers
            first, last = bound("from", begin), bound("to", end)
            meant = await spans(LogEdges(servers), of.topics, begin=first, end=last, topic=topic, partition=partition)
            with Meter("replay") as meter:
                replay = Replay(of, workshop.transactions, KafkaLog(servers, client_id=f"{consumer}.replay"), progress=meter.show)
                tally = await (replay.rehearse(meant) if dry_run else replay.run(meant, actor=actor, reason=reason or ""))
            document = {"consumer": consumer, "dry_run": dry_run, "spans": {f"{p.topic}/{p.number}": [s.start, s.end] for p, s in meant.items()}}
            show(document | tally.as_json(), as_json=as_json)
            return 1 if tally.of(Fate.FAILED) else 0

        run(command, prepare, work, reason_given=dry_run or bool(reason))


def _add_rebuild(cli: typer.Typer, command: str, prepare: Prepare) -> None:
    @cli.command("rebuild")
    def rebuild_command(
        *,
        consumer: Name,
        dry_run: DryRun = False,
        allow_failures: AllowFailures = False,
        reason: Reason = None,
        actor: Actor = LOCAL_ACTOR,
        as_json: AsJson = False,
    ) -> None:
        """Build a consumer's projection again from the whole log and exchange it in one step; nothing is sent. A dry run only compares: 1 when they differ."""
        from klaster_shared.consuming.log_reading import KafkaLog
        from klaster_shared.consuming.log_spans import LogEdges
        from klaster_shared.consuming.rebuilding import Rebuild
        from klaster_shared.kafka import TopicIdentities

        async def work(workshop: Workshop) -> int:
            of, servers = workshop.consumer(consumer), workshop.settings.kafka_servers
            log = KafkaLog(servers, client_id=f"{consumer}.rebuild")
            with Meter("rebuild") as meter:
                rebuild = Rebuild(
                    of, workshop.transactions, log, LogEdges(servers), TopicIdentities(servers), tolerant=allow_failures, progress=meter.show
                )
                rebuilt = await (rebuild.rehearse() if dry_run else rebuild.run(actor=actor, reason=reason or ""))
            show({"consumer": consumer, "dry_run": dry_run} | rebuilt.as_json(), as_json=as_json)
            return 1 if dry_run and not rebuilt.is_same else 0

        run(command, prepare, work, reason_given=dry_run or bool(reason))


def run(command: str, prepare: Prepare, work: Callable[[Workshop], Awaitable[int]], *, reason_given: bool) -> NoReturn:
    """Ends the process: 0 done, 1 refused or failed, 2 wrong usage."""
    if not reason_given:
        _end(command, "--reason is needed: it is kept with the act.", 2)

    async def all_of_it() -> int:
        workshop = prepare()
        try:
            return await work(workshop)
        finally:
            await workshop.transactions.database.dispose()

    try:
        code = asyncio.run(all_of_it())
    except WrongUsage as error:
        _end(command, str(error), 2)
    except KlasterError as error:
        _end(command, error.message, 2 if error.kind is Kind.INVALID else 1)
    except DATABASE_FAILURES as error:
        state = sqlstate_of(error)
        _end(
            command,
            f"the database or Kafka failed ({type(error).__name__}{f' {state}' if state else ''}); what was not committed has not happened",
            1,
        )
    sys.exit(code)


def _end(command: str, sentence: str, code: int) -> NoReturn:
    typer.echo(f"{command}: {sentence}", err=True)
    sys.exit(code)


def show(document: dict[str, Any], *, as_json: bool) -> None:
    """For people: one `name: value` a line, nested values indented."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else "\n".join(_lines(document)))


def _lines(document: dict[str, Any], indent: str = "") -> list[str]:
    lines: list[str] = []
    for name, value in document.items():
        match value:
            case dict():
                lines += [f"{indent}{name}:", *_lines(value, f"{indent}  ")] if value else []
            case list() if value and not isinstance(value[0], int):
                lines += [f"{indent}{name}:", *[f"{indent}  {item}" for item in value]]
            case list():
                lines += [f"{indent}{name}: {'-'.join(map(str, value))}"] if value else []
            case _:
                lines.append(f"{indent}{name}: {json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value}")
    return lines


class Meter:
    """Progress on standard error: a bar in a terminal, elsewhere a line at every tenth."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._tenth = -1
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """What follows what is complete begins at nothing again."""
        if done == 0:
            self._tenth = -1
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
            return
        tenth = 10 if total == 0 else done * 10 // total
        if tenth > self._tenth:
            self._tenth = tenth
            typer.echo(f"{self._what}: {done} of {total} records", err=True)
