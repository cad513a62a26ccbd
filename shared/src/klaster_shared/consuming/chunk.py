"""One chunk of records, one transaction: positions, gates, inbox, handlers, outbox, positions again, commit.

The one rule: whatever becomes of a record (applied, duplicate, skipped, parked) is decided and written in the transaction
that moves the position past it. Nothing is remembered outside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from klaster_shared.clock import Instant
from klaster_shared.consuming import inbox, parking, positions
from klaster_shared.consuming.handling import Consumer, Skipped
from klaster_shared.consuming.parking import BEHIND, State, Verdict
from klaster_shared.consuming.parser import Incoming
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.quota import Quota, make_sure_of_room
from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.observability.metrics import Metrics
from klaster_shared.origin import Origin

FIRST_RETRY = timedelta(seconds=1)


class Outcome(StrEnum):
    """What a message came to; the metric's label."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"
    PARKED = "parked"


@dataclass(slots=True)
class ChunkResult:
    """`lost`: partitions whose position was not where this runner expected it; `held`: those whose position somebody else's
    transaction holds. None of their records was touched.
    """

    lost: set[Partition] = field(default_factory=set)
    held: set[Partition] = field(default_factory=set)
    outcomes: list[tuple[Incoming, Outcome]] = field(default_factory=list)
    committed_at: Instant | None = None


class ChunkApplier[W: UnitOfWork]:
    """Applies chunks for one consumer. Any exception means: nothing of the chunk has happened, or the commit is unknown; the
    compare-and-set on the position tells which, at the next try.
    """

    def __init__(self, consumer: Consumer, transactions: Transactions[W], metrics: Metrics, quota: Quota | None = None) -> None:
        self.consumer = consumer
        self.transactions = transactions
        self._metrics = metrics
        self._quota = quota or Quota()
        self.handled = 0
        """Messages whose handler has returned, committed or not: a sign of life while a chunk takes long."""

    async def apply(
        self, records: Sequence[Incoming], expected: Mapping[Partition, int], *, verdicts: Mapping[int, Verdict] | None = None
    ) -> ChunkResult:
        """`expected`: where each partition of the chunk is believed to stand. `verdicts`, by index, park records that failed.

        Raises:
            QuotaExceeded: a partition has to stand still, because what it holds next is to be parked and there is no room.
        """
        result = ChunkResult()
        name = self.consumer.name
        with self._metrics.consumer_handle_seconds.labels(consumer=name).time():
            async with self.transactions.begin(_origin(name)) as work:
                found = await positions.lock(work.connection, name, expected)
                result.held = expected.keys() - found.keys()
                result.lost = {p for p, offset in found.items() if expected[p] != offset}
                kept = [(i, r) for i, r in enumerate(records) if r.record.partition not in result.held | result.lost]
                if kept:
                    await self._dispose(work, kept, verdicts or {}, result)
                    await positions.advance(work.connection, name, _moves(kept, expected), work.now)
        _reached(result)
        result.committed_at = self.transactions.clock.now()
        self._count(result)
        return result

    async def _dispose(self, work: UnitOfWork, kept: Sequence[tuple[int, Incoming]], verdicts: Mapping[int, Verdict], result: ChunkResult) -> None:
        name = self.consumer.name
        gated = await parking.gated_keys(work.connection, name, [r.gate for _, r in kept if r.gate is not None])
        to_apply: list[Incoming] = []
        to_park: list[tuple[Incoming, Verdict]] = []
        for index, incoming in kept:
            verdict = verdicts.get(index) or incoming.verdict
            if verdict is None and incoming.handler is None:
                result.outcomes.append((incoming, Outcome.SKIPPED))
            elif incoming.gate is not None and incoming.gate in gated:
                to_park.append((incoming, BEHIND))
            elif verdict is not None:
                to_park.append((incoming, verdict))
                if incoming.gate is not None:
                    gated.add(incoming.gate)
            else:
                to_apply.append(incoming)
        await make_sure_of_room(work.connection, name, [incoming.record for incoming, _ in to_park], self._quota)
        for incoming, verdict in to_park:
            await self._park(work, incoming, verdict, result)
        await self._handle(work, to_apply, result)

    async def _handle(self, work: UnitOfWork, to_apply: Sequence[Incoming], result: ChunkResult) -> None:
        mine = await inbox.claim(work.connection, self.consumer.name, [_envelope_id(i) for i in to_apply], work.now)
        for incoming in to_apply:
            identifier = _envelope_id(incoming)
            if identifier not in mine:
                result.outcomes.append((incoming, Outcome.DUPLICATE))
                continue
            mine.discard(identifier)  # the same id twice in a chunk applies the first
            result.outcomes.append((incoming, await handle(work, incoming, self.consumer.name)))
            self.handled += 1

    async def _park(self, work: UnitOfWork, incoming: Incoming, verdict: Verdict, result: ChunkResult) -> None:
        envelope = incoming.envelope
        await parking.park(
            work.connection,
            self.consumer.name,
            incoming.record,
            verdict,
            message_id=None if envelope is None else envelope.inbox_id,
            type_=None if envelope is None else envelope.type,
            now=work.now,
            next_attempt_at=work.now + FIRST_RETRY if verdict.state is State.DUE else None,
        )
        result.outcomes.append((incoming, Outcome.PARKED))

    def _count(self, result: ChunkResult) -> None:
        name, now = self.consumer.name, result.committed_at
        for incoming, outcome in result.outcomes:
            self._metrics.consumer_handled.labels(consumer=name, type=incoming.label, outcome=outcome.value).inc()
            if outcome is Outcome.APPLIED and now is not None:
                self._metrics.message_age_seconds.labels(consumer=name).observe(max(0.0, (now - incoming.record.logged_at).total_seconds()))


def _reached(result: ChunkResult) -> None:
    """The chunk is committed, with what it came to."""
    if any(outcome is Outcome.APPLIED for _, outcome in result.outcomes):
        reached(CrashPoint.AFTER_EFFECT_COMMIT)
    if any(outcome is Outcome.PARKED for _, outcome in result.outcomes):
        reached(CrashPoint.AFTER_PARK_COMMIT)


async def handle(work: UnitOfWork, incoming: Incoming, consumer: str) -> Outcome:
    """Runs the handler of one readable message inside the unit of work; its inbox row has been claimed."""
    if incoming.handler is None or incoming.envelope is None:
        raise LookupError("a record without a handler cannot be applied")
    work.handling(incoming.envelope, consumer=consumer)
    answer = await incoming.handler(incoming.message, work)
    return Outcome.SKIPPED if isinstance(answer, Skipped) else Outcome.APPLIED


def _envelope_id(incoming: Incoming) -> UUID:
    if incoming.envelope is None:
        raise LookupError("a record that could not be decoded has no inbox id")
    return incoming.envelope.inbox_id


def _moves(kept: Sequence[tuple[int, Incoming]], expected: Mapping[Partition, int]) -> dict[Partition, tuple[int, int]]:
    """From the expected offset of each partition to the one after its last record of this chunk."""
    if any(r.record.offset < expected[r.record.partition] for _, r in kept):
        raise RuntimeError("a record before the expected offset reached a chunk")
    return {r.record.partition: (expected[r.record.partition], r.record.offset + 1) for _, r in kept}


def _origin(consumer: str) -> Origin:
    """Before a message is handled nothing is published, so this origin reaches no outbox row."""
    return Origin(actor=consumer, correlation_id="", causation_id="")
