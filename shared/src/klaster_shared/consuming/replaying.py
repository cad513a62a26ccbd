"""Handling a part of the log once more, beside the live consumer and without its side effects.

The one rule: only handlers that declare themselves replay-safe run, and nothing that they would publish leaves. Inbox, positions and
parked messages are neither asked nor touched: they say what the live consumer has done, and that stays true (docs/architecture/replay.md).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from klaster_shared.consuming.audit import Act, write_act
from klaster_shared.consuming.handling import Consumer, Handler, Skipped
from klaster_shared.consuming.log_reading import Log
from klaster_shared.consuming.log_spans import Span
from klaster_shared.consuming.parking import RawRecord
from klaster_shared.consuming.parser import Incoming, read
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.verdicts import is_worth_repeating
from klaster_shared.db.failures import is_connection_trouble
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.errors import KlasterError
from klaster_shared.origin import Origin

ATTEMPTS: Final = 5
MOST_FAILURES_TOLD: Final = 20


class Fate(StrEnum):
    """What becomes of a message in a replay."""

    APPLIED = "applied"
    SUPPRESSED = "suppressed"
    """Its handler does not say that it is replay-safe."""
    SKIPPED = "skipped"
    """Nobody handles its type, or its handler found its time passed."""
    UNREADABLE = "unreadable"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    """Only in a rebuild, which begins with an empty inbox: the log holds the message a second time."""
    PARKED = "parked"
    """Only in a rebuild: it waits for an operator, or one has given it up, and stays without effect."""


@dataclass(slots=True)
class Tally:
    """`counts` by message type and fate; `withheld`: messages that handlers would have published. `failures` names the first few."""

    counts: Counter[tuple[str, Fate]] = field(default_factory=Counter)
    withheld: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, incoming: Incoming, fate: Fate) -> None:
        self.counts[incoming.label, fate] += 1

    def fail(self, incoming: Incoming, error: BaseException) -> None:
        self.add(incoming, Fate.FAILED)
        if len(self.failures) < MOST_FAILURES_TOLD:
            kind = error.slug if isinstance(error, KlasterError) else type(error).__name__
            self.failures.append(f"{place_of(incoming.record)} {incoming.label}: {kind}")

    def of(self, fate: Fate) -> int:
        return sum(count for (_, found), count in self.counts.items() if found is fate)

    @property
    def records(self) -> int:
        return self.counts.total()

    def as_json(self) -> dict[str, Any]:
        by_type: dict[str, dict[str, int]] = {}
        for (label, fate), count in sorted(self.counts.items()):
            by_type.setdefault(label, {})[fate.value] = count
        totals = {fate.value: self.of(fate) for fate in Fate}
        return {"records": self.records, **totals, "withheld": self.withheld, "types": by_type, "failures": self.failures}

    def __str__(self) -> str:
        told = [f"{count} {fate.value}" for fate in Fate if (count := self.of(fate))]
        return f"{self.records} records: {', '.join(told) or 'nothing'}; {self.withheld} messages withheld"


type Progress = Callable[[int, int], None]
"""Called with the records done and those there are in all, as far as offsets tell."""


def silent(_done: int, _total: int) -> None:
    """Tells nobody."""


class Replay[W: UnitOfWork]:
    """One replay of one consumer."""

    def __init__(self, consumer: Consumer, transactions: Transactions[W], log: Log, *, progress: Progress = silent) -> None:
        self._consumer = consumer
        self._transactions = transactions
        self._log = log
        self._progress = progress

    async def run(self, spans: Mapping[Partition, Span], *, actor: str, reason: str) -> Tally:
        """Batch by batch, one transaction each. Ended in the middle, it may be repeated from anywhere before.

        Raises:
            LogAway: the broker does not answer, or lost a part of what was asked for.
            DatabaseAway: the database does not answer.
        """
        await self._note("replay", described(spans), actor=actor, reason=reason)
        tally = Tally()
        try:
            async for batch in self._batches(spans):
                await self._apply([i for i in batch if _sorted_out(i, self._consumer, tally)], tally)
        finally:
            await self._note("replay-ended", str(tally), actor=actor, reason=reason)
        return tally

    async def rehearse(self, spans: Mapping[Partition, Span]) -> Tally:
        """What `run` would come to, found by reading alone: no handler runs, and the database is not opened."""
        tally = Tally()
        async for batch in self._batches(spans):
            for incoming in batch:
                if _sorted_out(incoming, self._consumer, tally):
                    tally.add(incoming, Fate.APPLIED)
        return tally

    async def _batches(self, spans: Mapping[Partition, Span]) -> Any:
        done, total = 0, sum(span.length for span in spans.values())
        self._progress(done, total)
        async with aclosing(self._log.read(spans)) as batches:
            async for records in batches:
                yield [read(record, self._consumer) for record in records]
                done += len(records)
                self._progress(done, total)
        self._progress(total, total)

    async def _apply(self, messages: Sequence[Incoming], tally: Tally) -> None:
        """Together, and if that fails each alone: one message that cannot be applied any more costs none of the others."""
        if not messages:
            return
        try:
            await self._together(messages, tally)
        except Exception as error:
            if is_connection_trouble(error) and not await self._transactions.database.answers():
                raise
            for incoming in messages:
                await self._alone(incoming, tally)

    async def _alone(self, incoming: Incoming, tally: Tally) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._together([incoming], tally)
            except Exception as error:
                if is_connection_trouble(error) and not await self._transactions.database.answers():
                    raise
                if is_worth_repeating(error) and attempt < ATTEMPTS:
                    continue
                tally.fail(incoming, error)
            return

    async def _together(self, messages: Sequence[Incoming], tally: Tally) -> None:
        async with self._transactions.begin(origin_of(self._consumer)) as work:
            fates = [await replay_one(work, incoming, self._consumer) for incoming in messages]
            withheld = work.withhold()
        for incoming, fate in zip(messages, fates, strict=True):
            tally.add(incoming, fate)
        tally.withheld += withheld

    async def _note(self, action: str, subject: str, *, actor: str, reason: str) -> None:
        async with self._transactions.begin(origin_of(self._consumer)) as work:
            act = Act(action=action, actor=actor, at=work.now, reason=reason)
            await write_act(work.connection, act, consumer=self._consumer.name, subject=subject)


def handler_of(incoming: Incoming, consumer: Consumer) -> Handler | None:
    """The handler that may run for it in a replay."""
    return None if incoming.envelope is None else consumer.replayable.get(incoming.envelope.type)


def fate_without(incoming: Incoming, consumer: Consumer) -> Fate | None:
    """What is known of a message before any handler runs; None when one may."""
    if incoming.verdict is not None:
        return Fate.UNREADABLE
    if incoming.handler is None:
        return Fate.SKIPPED
    return Fate.SUPPRESSED if handler_of(incoming, consumer) is None else None


async def replay_one(work: UnitOfWork, incoming: Incoming, consumer: Consumer) -> Fate:
    """Runs the replay-safe handler of a message for which `fate_without` knows no answer."""
    handler = handler_of(incoming, consumer)
    if handler is None or incoming.envelope is None:
        raise LookupError("no handler may run for this message in a replay")
    work.handling(incoming.envelope, consumer=consumer.name)
    answer = await handler(incoming.message, work)
    return Fate.SKIPPED if isinstance(answer, Skipped) else Fate.APPLIED


def place_of(record: RawRecord) -> str:
    return f"{record.partition.topic}/{record.partition.number}:{record.offset}"


def described(spans: Mapping[Partition, Span]) -> str:
    """As in a bound: where each partition that has anything begins and ends."""
    told: Iterable[str] = (f"{p.topic}/{p.number}:{span.start}-{span.end}" for p, span in sorted(spans.items()) if span.length)
    return ", ".join(told) or "nothing"


def origin_of(consumer: Consumer) -> Origin:
    """Nothing is published in a replay, so this origin reaches no outbox row."""
    return Origin(actor=consumer.name, correlation_id="", causation_id="")


def _sorted_out(incoming: Incoming, consumer: Consumer, tally: Tally) -> bool:
    """Whether a handler is to run; otherwise the message is counted."""
    fate = fate_without(incoming, consumer)
    if fate is not None:
        tally.add(incoming, fate)
    return fate is None
