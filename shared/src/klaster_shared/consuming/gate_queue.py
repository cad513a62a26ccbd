"""The queue behind a gate, as statements: choose the head under the gate's lock, make the next one due, open the gate.

The one rule: whoever works on a gate takes it `FOR NO KEY UPDATE` first and reads the head in a later statement. The gate is
deleted only in a transaction that holds it `FOR UPDATE` and then, in a second statement, finds nothing queued; live
consumers hold it `FOR KEY SHARE` while they queue behind it, so no message slips between.
"""

from sqlalchemy import BigInteger, DateTime, Integer, LargeBinary, Text, bindparam, delete, select, update

from klaster_shared.clock import Instant
from klaster_shared.consuming.parking import PARKED_GATE, PARKED_MESSAGE, Gate, State, Verdict, sanitised
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Row, Statement

_g, _m = PARKED_GATE.c, PARKED_MESSAGE.c
_of_gate = (
    _g.consumer == bindparam("consumer", type_=Text),
    _g.topic == bindparam("topic", type_=Text),
    _g.key == bindparam("key", type_=LargeBinary),
)
_in_queue = (
    _m.consumer == bindparam("consumer", type_=Text),
    _m.topic == bindparam("topic", type_=Text),
    _m.gate == bindparam("key", type_=LargeBinary),
)
_id = _m.id == bindparam("parked_id", type_=BigInteger)
_now = bindparam("now", type_=DateTime(timezone=True))

_HOLD = Statement(select(_g.consumer).where(*_of_gate).with_for_update(key_share=True))
_HOLD_TO_OPEN = Statement(select(_g.consumer).where(*_of_gate).with_for_update())
_HOLD_KEYLESS = Statement(select(_m.id).where(_id).with_for_update())
_HEAD = Statement(select(PARKED_MESSAGE).where(*_in_queue).order_by(_m.id).limit(1))
_BY_ID = Statement(select(PARKED_MESSAGE).where(_id))
_PROMOTE_HEAD = Statement(update(PARKED_MESSAGE).where(_id, _m.state == State.WAITING.value).values(state=State.DUE.value, next_attempt_at=_now))
_attended = select(_m.id).where(_m.consumer == _g.consumer, _m.topic == _g.topic, _m.gate == _g.key, _m.state != State.WAITING.value).exists()
_UNATTENDED = Statement(select(PARKED_GATE).where(_g.consumer == bindparam("consumer", type_=Text), ~_attended))
_REMOVE = Statement(delete(PARKED_MESSAGE).where(_id))
_OPEN = Statement(delete(PARKED_GATE).where(*_of_gate))
_POSTPONE = Statement(
    update(PARKED_MESSAGE)
    .where(_id)
    .values(
        state=bindparam("new_state", type_=Text),
        reason=bindparam("why", type_=Text),
        error=bindparam("what", type_=Text),
        attempts=bindparam("tried", type_=Integer),
        next_attempt_at=bindparam("again", type_=DateTime(timezone=True)),
    )
)
_DUE = Statement(
    select(_m.id)
    .where(_m.consumer == bindparam("consumer", type_=Text), _m.state == State.DUE.value, _m.next_attempt_at <= _now)
    .order_by(_m.next_attempt_at, _m.id)
    .limit(bindparam("rows", type_=BigInteger))
)


def gate_of(row: Row) -> Gate | None:
    """The gate in front of a parked row; a row without a key has none."""
    return None if row["gate"] is None else Gate(consumer=row["consumer"], topic=row["topic"], key=row["gate"])


async def due(connection: Connection, consumer: str, now: Instant, rows: int) -> list[int]:
    """Ids whose time has come, the longest overdue first; only a hint, the lock decides."""
    return [row["id"] for row in await _DUE.fetch(connection, consumer=consumer, now=now, rows=rows)]


async def find(connection: Connection, parked_id: int) -> Row | None:
    return await _BY_ID.fetchrow(connection, parked_id=parked_id)


async def hold(connection: Connection, row: Row) -> Row | None:
    """Locks what orders the row and reads what is at the head now: the row itself, if nobody was faster."""
    gate = gate_of(row)
    if gate is None:
        await _HOLD_KEYLESS.fetch(connection, parked_id=row["id"])
        return await find(connection, row["id"])
    await _HOLD.fetch(connection, **_named(gate))
    return await _HEAD.fetchrow(connection, **_named(gate))


async def remove(connection: Connection, row: Row) -> None:
    """Takes the head out. `promote` or `settle` then sees to what is behind it."""
    await _REMOVE.execute(connection, parked_id=row["id"])


async def promote(connection: Connection, gate: Gate, now: Instant) -> int | None:
    """Makes the head due and gives its id; None when nothing is queued as far as this transaction sees. The gate is held by the caller."""
    head = await _HEAD.fetchrow(connection, **_named(gate))
    if head is None:
        return None
    await _PROMOTE_HEAD.execute(connection, parked_id=head["id"], now=now)
    return int(head["id"])


async def unattended(connection: Connection, consumer: str) -> list[Gate]:
    """Gates whose head has been taken out and that nobody has settled since; a crash in between leaves one."""
    return [Gate(consumer=row["consumer"], topic=row["topic"], key=row["key"]) for row in await _UNATTENDED.fetch(connection, consumer=consumer)]


async def postpone(connection: Connection, parked_id: int, verdict: Verdict, *, attempts: int, again: Instant | None) -> None:
    await _POSTPONE.execute(
        connection,
        parked_id=parked_id,
        new_state=verdict.state.value,
        why=verdict.reason,
        what=None if verdict.error is None else sanitised(verdict.error),
        tried=attempts,
        again=again,
    )


async def settle(connection: Connection, gate: Gate, now: Instant) -> int | None:
    """In a transaction of its own: makes the next message due and gives its id, or opens the gate when nothing is queued."""
    await _HOLD_TO_OPEN.fetch(connection, **_named(gate))
    head = await promote(connection, gate, now)
    if head is None:
        await _OPEN.execute(connection, **_named(gate))
    return head


def _named(gate: Gate) -> dict[str, object]:
    return {"consumer": gate.consumer, "topic": gate.topic, "key": gate.key}
