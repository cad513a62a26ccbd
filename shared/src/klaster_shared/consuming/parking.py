"""Messages set aside: where they are kept and how they keep their order.

A message that cannot be handled is parked with its raw bytes and its reason in the transaction that advances the
position. A gate on (consumer, topic, key) makes later messages of that key queue behind it; all others flow on. Queue
order is the order of ids. The head of a gate is `due` or `held`, everything behind it `waiting`.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    bindparam,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from klaster_shared.clock import Instant
from klaster_shared.consuming.positions import Partition
from klaster_shared.db.engine import Connection
from klaster_shared.db.metadata import PLATFORM
from klaster_shared.db.statements import Statement, rows_of

MAX_ERROR_CHARACTERS = 2000
LONGEST_GATE_KEY = 512
"""Bytes. PostgreSQL refuses index entries over 2 704 bytes, and a foreign key may have any length."""


class State(StrEnum):
    DUE = "due"
    """Tried again at `next_attempt_at`."""
    WAITING = "waiting"
    """Behind another message of its key."""
    HELD = "held"
    """Until an operator retries or skips it."""


PARKED_GATE = Table(
    "parked_gate",
    PLATFORM,
    Column("consumer", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True, comment="as gate_key makes it"),
)
PARKED_MESSAGE = Table(
    "parked_message",
    PLATFORM,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("log_offset", BigInteger, nullable=False),
    Column("logged_at", DateTime(timezone=True), nullable=False, comment="the record's timestamp in the log"),
    Column("key", LargeBinary, comment="the record's key, byte for byte"),
    Column("gate", LargeBinary, comment="the key of its gate; null: parked without one"),
    Column("headers", Text, nullable=False, comment="JSON list of [name, base64 or null], in order, duplicates kept"),
    Column("value", LargeBinary),
    Column("message_id", Uuid, comment="the inbox id, if the message could be decoded that far"),
    Column("type", Text),
    Column("reason", Text, nullable=False),
    Column("error", Text),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("parked_at", DateTime(timezone=True), nullable=False),
    Column("next_attempt_at", DateTime(timezone=True)),
    # The time as well: a topic that was deleted and created again has the same offsets once more.
    UniqueConstraint("consumer", "topic", "partition", "log_offset", "logged_at"),
    CheckConstraint("state IN ('due', 'waiting', 'held')", name="state"),
    CheckConstraint("(state = 'due') = (next_attempt_at IS NOT NULL)", name="next_attempt"),
)
Index("ix_parked_message_gate", PARKED_MESSAGE.c.consumer, PARKED_MESSAGE.c.topic, PARKED_MESSAGE.c.gate, PARKED_MESSAGE.c.id)
Index("ix_parked_message_due", PARKED_MESSAGE.c.consumer, PARKED_MESSAGE.c.next_attempt_at, postgresql_where=PARKED_MESSAGE.c.state == "due")

type RawHeaders = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    consumer: str
    topic: str
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
    """A Kafka record byte for byte, as parking keeps it and as the unparker reads it again."""

    partition: Partition
    offset: int
    logged_at: datetime
    key: bytes | None
    headers: RawHeaders
    value: bytes | None

    @property
    def gate_key(self) -> bytes | None:
        """What stands for the key in gates: the key, or the digest of one too long for an index; None without a key."""
        if self.key is None or len(self.key) <= LONGEST_GATE_KEY:
            return self.key
        return b"sha256:" + sha256(self.key).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why a message is parked and what happens next. `error` never carries a value of the message."""

    reason: str
    state: State
    error: str | None = None


BEHIND = Verdict(reason="gated", state=State.WAITING)

_keys = rows_of([PARKED_GATE.c.topic, PARKED_GATE.c.key], "asked")
_GATES = Statement(
    select(PARKED_GATE.c.topic, PARKED_GATE.c.key)
    .join(_keys, and_(PARKED_GATE.c.topic == _keys.c.topic, PARKED_GATE.c.key == _keys.c.key))
    .where(PARKED_GATE.c.consumer == bindparam("consumer", type_=Text))
    .order_by(PARKED_GATE.c.topic, PARKED_GATE.c.key)
    .with_for_update(key_share=True, read=True, of=PARKED_GATE)
)
_CLOSE = Statement(insert(PARKED_GATE).values({c.name: bindparam(c.name, type_=c.type) for c in PARKED_GATE.c}).on_conflict_do_nothing())
_gate = (
    PARKED_GATE.c.consumer == bindparam("consumer", type_=Text),
    PARKED_GATE.c.topic == bindparam("topic", type_=Text),
    PARKED_GATE.c.key == bindparam("key", type_=LargeBinary),
)
_KEEP_CLOSED = Statement(select(PARKED_GATE.c.consumer).where(*_gate).with_for_update(key_share=True, read=True))
_PARK = Statement(
    insert(PARKED_MESSAGE).values({c.name: bindparam(c.name, type_=c.type) for c in PARKED_MESSAGE.c if c.name != "id"}).on_conflict_do_nothing()
)


async def gated_keys(connection: Connection, consumer: str, keys: Iterable[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
    """Which (topic, key) are behind a gate; the gates are held `FOR KEY SHARE`, so none of them can open until the commit."""
    asked = sorted(set(keys))
    if not asked:
        return set()
    rows = await _GATES.fetch(connection, consumer=consumer, topic=[topic for topic, _ in asked], key=[key for _, key in asked])
    return {(row["topic"], row["key"]) for row in rows}


async def park(
    connection: Connection,
    consumer: str,
    record: RawRecord,
    verdict: Verdict,
    *,
    message_id: UUID | None,
    type_: str | None,
    now: Instant,
    next_attempt_at: Instant | None = None,
) -> None:
    """Closes the key's gate and keeps the record; the same record again changes nothing.

    A verdict of `waiting` is for a key whose gate the caller has found closed, or closed itself, in this transaction. Any other makes the
    record its gate's head, unless somebody (an operator's import) has closed the gate since the caller looked: then it waits, too.
    """
    gate = record.gate_key
    if gate is not None and verdict.state is not State.WAITING and not await _close(connection, consumer, record.partition.topic, gate):
        verdict = replace(verdict, state=State.WAITING)
    await _PARK.execute(
        connection,
        consumer=consumer,
        topic=record.partition.topic,
        partition=record.partition.number,
        log_offset=record.offset,
        logged_at=record.logged_at,
        key=record.key,
        gate=gate,
        headers=headers_to_text(record.headers),
        value=record.value,
        message_id=message_id,
        type=None if type_ is None else sanitised(type_)[:200],
        reason=verdict.reason,
        error=None if verdict.error is None else sanitised(verdict.error),
        state=verdict.state,
        attempts=0 if verdict.state is State.WAITING else 1,
        parked_at=now,
        next_attempt_at=next_attempt_at if verdict.state is State.DUE else None,
    )


async def _close(connection: Connection, consumer: str, topic: str, key: bytes) -> bool:
    """True when this transaction has closed the gate; False when it was closed, and is now kept from opening."""
    while not await _CLOSE.execute(connection, consumer=consumer, topic=topic, key=key):
        if await _KEEP_CLOSED.fetchval(connection, consumer=consumer, topic=topic, key=key) is not None:
            return False
    return True


def headers_to_text(headers: RawHeaders) -> str:
    return orjson.dumps([(name, None if value is None else base64.b64encode(value).decode()) for name, value in headers]).decode()


def headers_from_text(text: str) -> list[tuple[str, bytes | None]]:
    return [(name, None if value is None else base64.b64decode(value)) for name, value in orjson.loads(text)]


def sanitised(text: str) -> str:
    """Text that PostgreSQL can store and a terminal can show: no control characters, at most 2 000 characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_ERROR_CHARACTERS]
