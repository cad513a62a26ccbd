"""The unparker: tries the heads of the gates again when their time has come, and lets their queues flow.

The one rule: one message, one transaction, in the order of the gate's queue; after the last one the gate opens in a short
transaction that proves the queue empty, so the live consumer takes over without a gap and without an overtaking.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog

from klaster_shared.consuming import gate_queue, inbox
from klaster_shared.consuming.chunk import Outcome, handle
from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.parking import Gate, RawRecord, State, Verdict, headers_from_text
from klaster_shared.consuming.parser import Incoming, read
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.verdicts import verdict_on
from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.db.failures import is_connection_trouble
from klaster_shared.db.statements import Row
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.lifecycle import Role
from klaster_shared.observability.metrics import Metrics
from klaster_shared.origin import Origin

POLL_SECONDS = 0.5
ROWS = 50
LONGEST_RETRY = timedelta(hours=1)
ATTEMPTS = 20
"""Eleven of them reach the longest pause; after about nine hours in all a message is held."""

log = structlog.get_logger(__name__)


def pause_after(attempts: int) -> timedelta:
    """1 s, 2 s, 4 s … 1 h."""
    return min(timedelta(seconds=2 ** min(attempts - 1, 12)), LONGEST_RETRY)


class Unparker[W: UnitOfWork]:
    """One for each consumer in each process; the gate's lock lets several live side by side."""

    role = Role.CONSUMERS

    def __init__(self, consumer: Consumer, transactions: Transactions[W], metrics: Metrics) -> None:
        self._consumer = consumer
        self._transactions = transactions
        self._metrics = metrics
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = None

    def wake(self) -> None:
        """After an operator's retry: now, not at the next poll."""
        self._awake.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"unparker {self._consumer.name}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def report(self) -> dict[str, Any]:
        return {"component": f"unparker {self._consumer.name}", "ok": self._trouble is None, "trouble": self._trouble}

    async def _run(self) -> None:
        while True:
            try:
                worked = await self._round()
                self._trouble = None
            except Exception as error:  # noqa: BLE001 - an unparker that ended would keep every key closed, and nobody would hear of it
                self._note(error)
                worked = False
            if not worked:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._awake.wait(), POLL_SECONDS)
            self._awake.clear()

    def _note(self, error: Exception) -> None:
        trouble = type(error).__name__
        if trouble != self._trouble:
            log.warning("unparker cannot work; it tries again", consumer=self._consumer.name, failure=trouble)
        self._trouble = trouble

    async def _round(self) -> bool:
        async with self._transactions.database.connect() as connection:
            gates = await gate_queue.unattended(connection, self._consumer.name)
            ids = await gate_queue.due(connection, self._consumer.name, self._transactions.clock.now(), ROWS)
        for gate in gates:
            await self._settle(gate)
        for parked_id in ids:
            await self.attempt(parked_id)
        return bool(ids or gates)

    async def _settle(self, gate: Gate) -> int | None:
        async with self._transactions.begin(self._origin()) as work:
            return await gate_queue.settle(work.connection, gate, work.now)

    async def attempt(self, parked_id: int) -> None:
        """Applies the message if it is still its queue's due head, and then those behind it, until one fails or none is left. A failure
        postpones or holds the one that failed.
        """
        following: int | None = parked_id
        for _ in range(ROWS):  # then other keys have their turn
            if following is None:
                return
            following = await self._attempt(following)

    async def _attempt(self, parked_id: int) -> int | None:
        """The id of the next one of its queue, made due; None when there is nothing more to do for now."""
        try:
            gate, following = await self._apply(parked_id)
        except Exception as error:
            if is_connection_trouble(error) and not await self._transactions.database.answers():
                raise
            await self._failed(parked_id, error)
            return None
        return await self._settle(gate) if gate is not None and following is None else following

    async def _apply(self, parked_id: int) -> tuple[Gate | None, int | None]:
        """The gate in front of the row that was disposed of, and the id of the one behind it; nothing when it was not this one's turn."""
        async with self._transactions.begin(self._origin()) as work:
            row = await gate_queue.find(work.connection, parked_id)
            row = None if row is None else await gate_queue.hold(work.connection, row)
            if row is None or row["id"] != parked_id or row["state"] != State.DUE.value:
                return None, None
            incoming = read(record_of(row), self._consumer)
            outcome = await self._outcome(work, incoming)
            await gate_queue.remove(work.connection, row)
            gate = gate_queue.gate_of(row)
            following = None if gate is None else await gate_queue.promote(work.connection, gate, work.now)
        reached(CrashPoint.AFTER_UNPARK_COMMIT)
        self._metrics.consumer_handled.labels(consumer=self._consumer.name, type=incoming.label, outcome=outcome.value).inc()
        log.info("parked message left its queue", consumer=self._consumer.name, parked=parked_id, type=incoming.label, outcome=outcome.value)
        return gate, following

    async def _outcome(self, work: UnitOfWork, incoming: Incoming) -> Outcome:
        if incoming.verdict is not None:
            raise StillUnreadable(incoming.verdict)
        if incoming.handler is None or incoming.envelope is None:
            return Outcome.SKIPPED
        identifier = incoming.envelope.inbox_id
        if identifier not in await inbox.claim(work.connection, self._consumer.name, [identifier], work.now):
            return Outcome.DUPLICATE
        return await handle(work, incoming, self._consumer.name)

    async def _failed(self, parked_id: int, error: BaseException) -> None:
        async with self._transactions.begin(self._origin()) as work:
            row = await gate_queue.find(work.connection, parked_id)
            row = None if row is None else await gate_queue.hold(work.connection, row)
            if row is None or row["id"] != parked_id or row["state"] != State.DUE.value:
                return
            attempts = row["attempts"] + 1
            verdict = error.verdict if isinstance(error, StillUnreadable) else _verdict(error, attempts)
            again = work.now + pause_after(attempts) if verdict.state is State.DUE else None
            await gate_queue.postpone(work.connection, parked_id, verdict, attempts=attempts, again=again)
        log.warning("parked message failed again", consumer=self._consumer.name, parked=parked_id, reason=verdict.reason, state=verdict.state.value)

    def _origin(self) -> Origin:
        return Origin(actor=self._consumer.name, correlation_id="", causation_id="")


class StillUnreadable(Exception):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


def _verdict(error: BaseException, attempts: int) -> Verdict:
    verdict = verdict_on(error)
    if verdict.state is State.DUE and attempts >= ATTEMPTS:
        return Verdict(reason=verdict.reason, state=State.HELD, error=verdict.error)
    return verdict


def record_of(row: Row) -> RawRecord:
    """The record as it lay in the log."""
    return RawRecord(
        partition=Partition(row["topic"], row["partition"]),
        offset=row["log_offset"],
        logged_at=row["logged_at"],
        key=row["key"],
        headers=headers_from_text(row["headers"]),
        value=row["value"],
    )
