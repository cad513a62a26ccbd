"""After the loss of the whole store: deliveries are made again from their own topic, and nobody is written to.

The one rule: all of it is one transaction on an empty store. Either the service finds every delivery that the log knows, or it finds nothing and
does not start (`store_guard.py`); a store that knows half of them would write to the other half once more. docs/architecture/replay.md argues.
"""

from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import asyncpg
from sqlalchemy import DateTime, Text, bindparam, literal, select, update

from klaster_notifications.adapters.tables import DELIVERY, DISPATCH
from klaster_notifications.application.ports import Letters
from klaster_notifications.domain.delivery import Status
from klaster_notifications.restoring.recorded import Record
from klaster_notifications.restoring.work import Restored, RestoringWork
from klaster_shared.clock import Clock, Instant
from klaster_shared.consuming import positions
from klaster_shared.consuming.audit import Act, write_act
from klaster_shared.consuming.chunk import handle
from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.log_reading import Log
from klaster_shared.consuming.log_spans import Edge, LogEdges, Span, spans
from klaster_shared.consuming.parser import Incoming, read
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.replaying import Progress, silent
from klaster_shared.contracts import topics
from klaster_shared.contracts.registry import all_messages
from klaster_shared.db.engine import Connection, Database
from klaster_shared.db.statements import Statement
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.errors import Refused
from klaster_shared.origin import Origin

ACTOR: Final = "notifications.restore"
_ALONE: Final = "LOCK TABLE delivery IN EXCLUSIVE MODE NOWAIT"
_ANY_DELIVERY = Statement(select(select(literal(1)).select_from(DELIVERY).exists()))
_RELEASE = Statement(
    update(DISPATCH)
    .where(
        DISPATCH.c.delivery_id == DELIVERY.c.id,
        DELIVERY.c.status == bindparam("queued", type_=Text),
        DISPATCH.c.due_at.is_(None),
        DISPATCH.c.claim.is_(None),
    )
    .values(due_at=bindparam("now", type_=DateTime(timezone=True)))
)


async def _by_reading(_message: Any, _work: Any) -> None:
    """Deliveries are not handled, they are noted: this only says which messages are to be parsed."""


OWN_LOG: Final = Consumer(
    name=ACTOR,
    topics=(topics.NOTIFICATIONS_DELIVERY,),
    handlers={kind.ce_type: _by_reading for kind in all_messages() if kind.topic == topics.NOTIFICATIONS_DELIVERY},
)


class StoreInUse(Refused):
    """The store is not empty: consumers have been at work in it, or it has been restored already. Only an empty one can be restored."""

    slug = "store-in-use"


class RecordIncomplete(Refused):
    """The log holds deliveries that nothing in it would cause any more. Nothing was changed; the sentence says how many."""

    slug = "record-incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """`missing`: deliveries of the log without a cause in it. `failures`: messages whose handler failed; live, they would be parked."""

    restored: Restored
    missing: int
    unreadable: int
    due: bool
    failures: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        counts = {status.value: count for status, count in self.restored.by_status.items()}
        unsettled = {"unsettled": "due" if self.due else "held"}
        told = {"missing": self.missing, "reworded": self.restored.reworded, "unreadable": self.unreadable, "failures": self.failures}
        return {"deliveries": sum(counts.values()), **counts, **unsettled, **told}

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.as_json().items() if name != "failures")


class _OnlyLooking(Exception):
    """Ends the transaction of a rehearsal."""


class Restore:
    def __init__(
        self,
        database: Database,
        letters: Letters,
        consumers: Sequence[Consumer],
        log: Log,
        edges: LogEdges,
        *,
        clock: Clock,
        progress: Progress = silent,
    ) -> None:
        self._database = database
        self._letters = letters
        self._consumers = consumers
        self._log = log
        self._edges = edges
        self._clock = clock
        self._progress = progress

    async def run(
        self, *, actor: str, reason: str, send_unsettled: bool = False, allow_missing: bool = False, rehearsal: bool = False
    ) -> Restoration:
        """Deliveries that the log leaves open are held, or, with `send_unsettled`, due at once.

        Raises:
            StoreInUse: the store is not empty.
            RecordIncomplete: there are deliveries in the log that nothing in it causes, and they may not be left out.
            LogAway: the broker does not answer.
        """
        record, unreadable = await self._read_record()
        restored, failures = Restored(), list[str]()
        due_at = self._clock.now() if send_unsettled else None
        work = partial(RestoringWork, letters=self._letters, record=record, restored=restored, due_at=due_at)
        transactions = Transactions(self._database, work, clock=self._clock, wake=lambda: None)
        with suppress(_OnlyLooking):
            async with transactions.begin(Origin(actor=ACTOR, correlation_id="", causation_id="")) as restoring:
                await _make_sure_it_is_empty(restoring.connection)
                for consumer in self._consumers:
                    failures += await self._tell_again(consumer, restoring)
                if len(record) and not (allow_missing or rehearsal):
                    raise RecordIncomplete(f"{len(record)} deliveries of the log have no cause in it any more; --allow-missing leaves them out.")
                done = Restoration(restored=restored, missing=len(record), unreadable=unreadable, due=send_unsettled, failures=failures)
                restoring.withhold()
                act = Act(action="restore", actor=actor, at=restoring.now, reason=reason)
                await write_act(restoring.connection, act, consumer=ACTOR, subject=str(done))
                if rehearsal:
                    raise _OnlyLooking
        return done

    async def _read_record(self) -> tuple[Record, int]:
        record, unreadable = Record(), 0
        async for incoming in self._all_of(OWN_LOG):
            if incoming.message is None or incoming.envelope is None or not record.note(incoming.message, incoming.envelope):
                unreadable += 1
        return record, unreadable

    async def _tell_again(self, consumer: Consumer, work: RestoringWork) -> list[str]:
        failures: list[str] = []
        async for incoming in self._all_of(consumer):
            if incoming.verdict is not None or incoming.handler is None:
                continue
            await work.connection.execute("SAVEPOINT before_message")  # what cannot be handled any more costs none of the others
            try:
                await handle(work, incoming, consumer.name)
                await work.connection.execute("RELEASE SAVEPOINT before_message")
            except Exception as error:
                if work.connection.is_closed():
                    raise
                await work.connection.execute("ROLLBACK TO SAVEPOINT before_message")
                place = incoming.record
                failures.append(f"{place.partition.topic}/{place.partition.number}:{place.offset} {incoming.label}: {type(error).__name__}")
        return failures

    async def _all_of(self, consumer: Consumer) -> Any:
        meant: dict[Partition, Span] = await spans(self._edges, consumer.topics, begin=Edge.BEGINNING, end=Edge.END)
        done, total = 0, sum(span.length for span in meant.values())
        self._progress(done, total)
        async with aclosing(self._log.read(meant)) as batches:
            async for records in batches:
                for record in records:
                    incoming: Incoming = read(record, consumer)
                    yield incoming
                done += len(records)
                self._progress(done, total)


async def release_unsettled(connection: Connection, now: Instant, *, actor: str, reason: str) -> int:
    """Makes due what a restoration has held: at least once from here on, under the Message-IDs of old. The number of mails."""
    released = await _RELEASE.execute(connection, queued=Status.QUEUED, now=now)
    await write_act(connection, Act(action="restore", actor=actor, at=now, reason=reason), consumer=ACTOR, subject=f"{released} unsettled made due")
    return released


async def is_empty(connection: Connection) -> bool:
    """Whether nobody has ever worked in the store: no consumer stands anywhere, and there is no delivery."""
    return not (await positions.listing(connection) or await _ANY_DELIVERY.fetchval(connection))


async def _make_sure_it_is_empty(connection: Connection) -> None:
    try:
        await connection.execute(_ALONE)
    except asyncpg.LockNotAvailableError:
        raise StoreInUse("Somebody is at work in the store: stop the service first.") from None
    if not await is_empty(connection):
        raise StoreInUse("The store is not empty: consumers have been at work in it, or it has been restored already.")
