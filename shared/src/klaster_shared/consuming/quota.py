"""How much may be parked: per key and per consumer.

The one rule: order is never given up for want of room. When parking one message more would exceed a quota its partition stands
still, with nothing parked, nothing skipped and the position where it was, until an operator has made room.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import BigInteger, Text, and_, bindparam, func, literal, select

from klaster_shared.consuming.parking import PARKED_MESSAGE, RawRecord
from klaster_shared.consuming.pausing import Cause, PartitionBlocked
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Statement, rows_of

PER_KEY = 10_000
PER_CONSUMER = 100_000

_m = PARKED_MESSAGE.c
_of_consumer = _m.consumer == bindparam("consumer", type_=Text)
_ALL = Statement(
    select(func.count()).select_from(
        select(literal(1)).select_from(PARKED_MESSAGE).where(_of_consumer).limit(bindparam("rows", type_=BigInteger)).subquery()
    )
)
_asked = rows_of([_m.topic, _m.gate], "asked")
_BY_GATE = Statement(
    select(_m.topic, _m.gate, func.count().label("messages"))
    .join(_asked, and_(_m.topic == _asked.c.topic, _m.gate == _asked.c.gate))
    .where(_of_consumer)
    .group_by(_m.topic, _m.gate)
)

type GateKey = tuple[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Messages parked at once. `per_key` counts the queue behind one (topic, key), head included.

    `per_key` is exact: one partition has one writer at a time. Several processes count at the same moment, so `per_consumer` may
    be exceeded by what each of them parks in one chunk.
    """

    per_key: int = PER_KEY
    per_consumer: int = PER_CONSUMER


class QuotaExceeded(PartitionBlocked):
    """Parking one message more of `partition` would exceed a quota; nothing of its transaction has happened."""

    cause: ClassVar[Cause] = Cause.QUOTA


async def make_sure_of_room(connection: Connection, consumer: str, records: Sequence[RawRecord], quota: Quota) -> None:
    """Counts what is parked, by its index, only when something is about to be parked.

    Raises:
        QuotaExceeded: with the partition of the first record, in the order given, that finds no room.
    """
    if not records:
        return
    parked: int = await _ALL.fetchval(connection, consumer=consumer, rows=quota.per_consumer)
    queued = await _queued(connection, consumer, records)
    for record in records:
        if parked >= quota.per_consumer:
            raise QuotaExceeded(record.partition, f"{quota.per_consumer} messages are parked for {consumer}")
        gate = _gate_of(record)
        if gate is not None and queued[gate] >= quota.per_key:
            raise QuotaExceeded(record.partition, f"{quota.per_key} messages are parked behind one key")
        parked += 1
        if gate is not None:
            queued[gate] += 1


async def _queued(connection: Connection, consumer: str, records: Sequence[RawRecord]) -> Counter[GateKey]:
    asked = sorted({gate for record in records if (gate := _gate_of(record)) is not None})
    if not asked:
        return Counter()
    rows = await _BY_GATE.fetch(connection, consumer=consumer, topic=[topic for topic, _ in asked], gate=[key for _, key in asked])
    return Counter({(row["topic"], row["gate"]): row["messages"] for row in rows})


def _gate_of(record: RawRecord) -> GateKey | None:
    key = record.gate_key
    return None if key is None else (record.partition.topic, key)
