"""Turns messages into outbox rows inside the transaction that made them.

The one rule: rows are written in one INSERT after every aggregate write of the transaction, so that their ids are taken
while the aggregates' rows are locked; ids taken earlier would invert the order per key.
"""

from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import func, insert, select

from klaster_shared.clock import Instant
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.registry import enclose, parse, type_of
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Statement, rows_of
from klaster_shared.errors import TooLarge
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin
from klaster_shared.outbox.table import OUTBOX

MAX_VALUE_BYTES = 256 * 1024
"""The largest message body; consumers refuse the same size, so a fact of ours is never refused for it."""

_COLUMNS = ("message_id", "topic", "key", "type", "headers", "payload", "recorded_at")
_given = rows_of([OUTBOX.c[name] for name in _COLUMNS])
_INSERT = Statement(
    insert(OUTBOX).from_select(
        list(_COLUMNS),
        select(*[_given.c[name] for name in _COLUMNS])
        # Evaluated once, before the first id is given: a transaction has its number before its rows have theirs (outbox/floor.py).
        .where(func.pg_current_xact_id().is_not(None))
        .order_by(_given.c.ordinality),
    )
)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    message_id: UUID
    topic: str
    key: str
    type: str
    headers: str
    payload: bytes
    recorded_at: Instant


def outbox_row(message: Message, *, sequence: int, happened: Instant, recorded: Instant, origin: Origin) -> OutboxRow:
    """The bytes that will travel, serialised once and read back as their readers will read them.

    A frozen model promises little: `model_construct` checks nothing, `model_copy(update=…)` neither, a nested value may be of a subclass.
    What counts is whether the *bytes* keep the type's schema, so they go through `parse`, the very function that consumers use: a few
    microseconds, and what it accepts here no reader of ours parks as `schema` or `undecodable`.

    Raises:
        TypeError: the message is of a class that is not bound to a topic, such as a subclass of one that is.
        SchemaViolation, Undecodable: the bytes are not what the type promises: a defect of ours, and nothing is recorded.
        TooLarge: the body is over `MAX_VALUE_BYTES`.
    """
    kind = type_of(message)
    message_id = new_id()
    envelope = enclose(
        message,
        id=message_id,
        time=happened,
        recorded_time=recorded,
        sequence=sequence,
        correlation_id=origin.correlation_id,
        causation_id=origin.causation_id,
    )
    if envelope.partition_key is None:
        raise LookupError(f"{kind.name} has no subject; only other systems send it")
    if len(envelope.data) > MAX_VALUE_BYTES:
        raise TooLarge(kind.name, len(envelope.data), MAX_VALUE_BYTES)
    parse(envelope)
    headers = orjson.dumps([(name, value.decode()) for name, value in envelope.headers()]).decode()
    return OutboxRow(message_id, kind.topic, envelope.partition_key, kind.ce_type, headers, envelope.data, recorded)


async def write_rows(connection: Connection, rows: list[OutboxRow]) -> None:
    """One statement for any number of rows, ids in the order of the list."""
    await _INSERT.execute(connection, **{name: [getattr(row, name) for row in rows] for name in _COLUMNS})
