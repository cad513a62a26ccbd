"""What operators may do with parked messages: look, retry the head, skip the head with a reason. Every act is audited in its
own transaction.

The one rule: only the head of a gate can be retried or skipped; anything else would break the order of its key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, Text, bindparam, func, or_, select

from klaster_shared.consuming import gate_queue, inbox, positions
from klaster_shared.consuming.audit import Act, write_act
from klaster_shared.consuming.parking import PARKED_MESSAGE, RawHeaders, State, Verdict, headers_from_text
from klaster_shared.consuming.positions import Partition, Position
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Row, Statement
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.errors import NotFound, Refused
from klaster_shared.origin import Origin


class NotHead(Refused):
    """Another message of the same key was parked earlier and must go first. Retry or skip that one; its id is in `head`."""

    slug = "not-head"

    def __init__(self, parked_id: int, head: int) -> None:
        super().__init__(f"Parked message {parked_id} waits behind {head}.", id=parked_id, head=head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked message as operators see it; `value` and `headers` may hold personal fields."""

    id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    type: str | None
    message_id: UUID | None
    reason: str
    error: str | None
    state: State
    attempts: int
    logged_at: datetime
    parked_at: datetime
    next_attempt_at: datetime | None
    headers: RawHeaders
    value: bytes | None


_m = PARKED_MESSAGE.c


def _or_all(column: Any, name: str, kind: Any) -> Any:
    given = bindparam(name, type_=kind)
    return or_(given.is_(None), column == given)


_LIST = Statement(
    select(PARKED_MESSAGE)
    .where(
        _or_all(_m.consumer, "consumer", Text),
        _or_all(_m.key, "key", LargeBinary),
        _or_all(_m.state, "state", Text),
        _m.id > bindparam("after", type_=BigInteger),
    )
    .order_by(_m.id)
    .limit(bindparam("rows", type_=BigInteger))
)
_SUMMARY = Statement(
    select(_m.consumer, _m.reason, func.count().label("messages"), func.min(_m.parked_at).label("oldest")).group_by(_m.consumer, _m.reason)
)


class ParkingOffice[W: UnitOfWork]:
    """`wake` is called with the consumer's name after an act, so that its unparker looks at once."""

    def __init__(self, transactions: Transactions[W], *, wake: Callable[[str], None]) -> None:
        self._transactions = transactions
        self._wake = wake

    async def listing(
        self, *, consumer: str | None = None, key: bytes | None = None, state: State | None = None, after: int = 0, limit: int = 50
    ) -> list[Parked]:
        """Ordered by id, from the one after `after`."""
        async with self._transactions.database.connect() as connection:
            rows = await _LIST.fetch(connection, consumer=consumer, key=key, state=None if state is None else state.value, after=after, rows=limit)
        return [_parked(row) for row in rows]

    async def show(self, parked_id: int) -> Parked:
        """
        Raises:
            NotFound: there is no such parked message (any more).
        """
        async with self._transactions.database.connect() as connection:
            return _parked(await _existing(connection, parked_id))

    async def retry(self, parked_id: int, *, actor: str) -> Parked:
        """Makes the head due now, whatever its state was.

        Raises:
            NotFound: there is no such parked message (any more).
            NotHead: an earlier message of its key must go first.
        """
        async with self._transactions.begin(_origin(actor)) as work:
            row = await _head(work.connection, parked_id)
            verdict = Verdict(reason=row["reason"], state=State.DUE, error=row["error"])
            await gate_queue.postpone(work.connection, parked_id, verdict, attempts=row["attempts"], again=work.now)
            await write_act(work.connection, Act(action="retry", actor=actor, at=work.now), consumer=row["consumer"], subject=_subject(row))
            after = await _existing(work.connection, parked_id)
        self._wake(row["consumer"])
        return _parked(after)

    async def skip(self, parked_id: int, *, actor: str, reason: str) -> Parked:
        """Takes the head out unapplied; its inbox row is written, so a copy of it is a duplicate from now on.

        Raises:
            NotFound: there is no such parked message (any more).
            NotHead: an earlier message of its key must go first.
        """
        async with self._transactions.begin(_origin(actor)) as work:
            row = await _head(work.connection, parked_id)
            if row["message_id"] is not None:
                await inbox.claim(work.connection, row["consumer"], [row["message_id"]], work.now)
            await gate_queue.remove(work.connection, row)
            act = Act(action="skip", actor=actor, at=work.now, reason=reason)
            await write_act(work.connection, act, consumer=row["consumer"], subject=_subject(row))
        self._wake(row["consumer"])
        return _parked(row)

    async def positions(self) -> list[tuple[str, Position]]:
        async with self._transactions.database.connect() as connection:
            return await positions.listing(connection)

    async def reset_position(self, consumer: str, partition: Partition, to: int, *, actor: str, reason: str) -> None:
        """
        Raises:
            NotFound: the consumer has no position there.
        """
        async with self._transactions.begin(_origin(actor)) as work:
            act = Act(action="reset-position", actor=actor, at=work.now, reason=reason)
            await positions.reset(work.connection, consumer, partition, to, act=act)


async def summary(connection: Connection) -> list[tuple[str, str, int, datetime]]:
    """(consumer, reason, messages, parked since) of everything parked; what the gauges show."""
    return [(row["consumer"], row["reason"], row["messages"], row["oldest"]) for row in await _SUMMARY.fetch(connection)]


async def _existing(connection: Connection, parked_id: int) -> Row:
    row = await gate_queue.find(connection, parked_id)
    if row is None:
        raise NotFound("parked message", parked_id)
    return row


async def _head(connection: Connection, parked_id: int) -> Row:
    """The row, locked by its gate and proved to be the head."""
    head = await gate_queue.hold(connection, await _existing(connection, parked_id))
    if head is None:
        raise NotFound("parked message", parked_id)
    if head["id"] != parked_id:
        raise NotHead(parked_id, head["id"])
    return head


def _subject(row: Row) -> str:
    return f"{row['topic']}/{row['partition']} at {row['log_offset']}, {row['type'] or 'unreadable'}, {row['reason']}"


def _origin(actor: str) -> Origin:
    return Origin(actor=actor, correlation_id="", causation_id="")


def _parked(row: Row) -> Parked:
    return Parked(
        id=row["id"],
        consumer=row["consumer"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["log_offset"],
        key=row["key"],
        type=row["type"],
        message_id=row["message_id"],
        reason=row["reason"],
        error=row["error"],
        state=State(row["state"]),
        attempts=row["attempts"],
        logged_at=row["logged_at"],
        parked_at=row["parked_at"],
        next_attempt_at=row["next_attempt_at"],
        headers=headers_from_text(row["headers"]),
        value=row["value"],
    )
