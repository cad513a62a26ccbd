"""Where each consumer stands in each partition: the truth, in the database of the effects.

The one rule: a position moves only by compare-and-set from the offset its runner expects, in the transaction that applied
what lies between. Kafka's committed offsets are a convenience for tools.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, DateTime, Integer, Table, Text, and_, bindparam, null, select, update
from sqlalchemy.dialects.postgresql import insert

from klaster_shared.clock import Instant
from klaster_shared.consuming.audit import Act, write_act
from klaster_shared.db.engine import Connection
from klaster_shared.db.metadata import PLATFORM
from klaster_shared.db.statements import Row, Statement, rows_of
from klaster_shared.errors import NotFound

CONSUMER_POSITION = Table(
    "consumer_position",
    PLATFORM,
    Column("consumer", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("topic_id", Text, comment="the broker's id of the topic these offsets belong to; null: learned at the next assignment"),
    Column("moved_at", DateTime(timezone=True), nullable=False),
)
_t = CONSUMER_POSITION.c


class Partition(NamedTuple):
    """Sorts in the order in which position rows are locked."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Position:
    partition: Partition
    next_offset: int
    topic_id: str | None
    moved_at: Instant

    @property
    def is_reset(self) -> bool:
        """Whether an operator has set it and nobody has taken it up since."""
        return self.topic_id is None


_consumer = bindparam("consumer", type_=Text)
_asked = rows_of([_t.topic, _t.partition], "asked")
_LOCK = Statement(
    select(_t.topic, _t.partition, _t.next_offset)
    .join(_asked, and_(_t.topic == _asked.c.topic, _t.partition == _asked.c.partition))
    .where(_t.consumer == _consumer)
    .order_by(_t.topic, _t.partition)
    .with_for_update(of=CONSUMER_POSITION, skip_locked=True)
)
_moves = rows_of([_t.topic, _t.partition, Column("expected", BigInteger), _t.next_offset], "moves")
_ADVANCE = Statement(
    update(CONSUMER_POSITION)
    .where(_t.consumer == _consumer, _t.topic == _moves.c.topic, _t.partition == _moves.c.partition, _t.next_offset == _moves.c.expected)
    .values(next_offset=_moves.c.next_offset, moved_at=bindparam("now", type_=DateTime(timezone=True)))
)
_starts = rows_of([_t.topic, _t.partition, _t.next_offset, _t.topic_id], "starts")
_CREATE = Statement(
    insert(CONSUMER_POSITION)
    .from_select(
        ["consumer", "topic", "partition", "next_offset", "topic_id", "moved_at"],
        select(
            _consumer,
            _starts.c.topic,
            _starts.c.partition,
            _starts.c.next_offset,
            _starts.c.topic_id,
            bindparam("now", type_=DateTime(timezone=True)),
        ),
    )
    .on_conflict_do_nothing()
)
_ALL = Statement(select(CONSUMER_POSITION).order_by(_t.consumer, _t.topic, _t.partition))
_OF_CONSUMER = Statement(select(CONSUMER_POSITION).where(_t.consumer == _consumer).order_by(_t.topic, _t.partition))
_one = (_t.consumer == _consumer, _t.topic == bindparam("of_topic", type_=Text), _t.partition == bindparam("of_partition", type_=Integer))
_LEARN = Statement(
    update(CONSUMER_POSITION)
    .where(*_one, _t.topic_id.is_(None), _t.next_offset == bindparam("read", type_=BigInteger))
    .values(topic_id=bindparam("identity", type_=Text))
)
_RESET = Statement(
    update(CONSUMER_POSITION)
    .where(*_one)
    .values(next_offset=bindparam("to", type_=BigInteger), topic_id=null(), moved_at=bindparam("now", type_=DateTime(timezone=True)))
)


async def lock(connection: Connection, consumer: str, partitions: Iterable[Partition]) -> dict[Partition, int]:
    """Locks the rows in sorted order; the next offset of each, as it is under the lock.

    A row that another transaction holds is missing from the answer: waiting for it would keep the partitions beside it waiting, too.
    """
    asked = sorted(set(partitions))
    rows = await _LOCK.fetch(connection, consumer=consumer, topic=[p.topic for p in asked], partition=[p.number for p in asked])
    return {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def advance(connection: Connection, consumer: str, moves: Mapping[Partition, tuple[int, int]], now: Instant) -> None:
    """Moves each partition from its expected to its next offset; the rows are locked by the caller.

    Raises:
        RuntimeError: a locked row was not where it was seen, which would be a defect of the caller.
    """
    order = sorted(moves)
    moved = await _ADVANCE.execute(
        connection,
        consumer=consumer,
        now=now,
        topic=[p.topic for p in order],
        partition=[p.number for p in order],
        expected=[moves[p][0] for p in order],
        next_offset=[moves[p][1] for p in order],
    )
    if moved != len(moves):
        raise RuntimeError(f"{consumer}: {moved} of {len(moves)} positions moved under lock")


async def create_missing(
    connection: Connection, consumer: str, starts: Mapping[Partition, int], topic_ids: Mapping[str, str], now: Instant
) -> dict[Partition, Position]:
    """Gives every partition without a row one at its log start, learns missing topic ids, and reads all rows of the consumer."""
    order = sorted(starts)
    await _CREATE.execute(
        connection,
        consumer=consumer,
        now=now,
        topic=[p.topic for p in order],
        partition=[p.number for p in order],
        next_offset=[starts[p] for p in order],
        topic_id=[topic_ids.get(p.topic) for p in order],
    )
    positions = await of_consumer(connection, consumer)
    for topic, number in order:
        position, identity = positions[Partition(topic, number)], topic_ids.get(topic)
        if position.is_reset and identity is not None:  # set once more since it was read, it stays a reset
            await _LEARN.execute(connection, consumer=consumer, of_topic=topic, of_partition=number, read=position.next_offset, identity=identity)
    return positions


async def of_consumer(connection: Connection, consumer: str) -> dict[Partition, Position]:
    return {p.partition: p for p in map(_position, await _OF_CONSUMER.fetch(connection, consumer=consumer))}


async def listing(connection: Connection) -> list[tuple[str, Position]]:
    """Every consumer's positions, for operators."""
    return [(row["consumer"], _position(row)) for row in await _ALL.fetch(connection)]


async def reset(connection: Connection, consumer: str, partition: Partition, to: int, *, act: Act) -> None:
    """An operator's word that this offset is right; the topic's identity is learned anew. Runners notice by compare-and-set.

    Raises:
        NotFound: the consumer has no position in that partition.
    """
    moved = await _RESET.execute(connection, consumer=consumer, of_topic=partition.topic, of_partition=partition.number, to=to, now=act.at)
    if not moved:
        raise NotFound("position", f"{consumer} {partition.topic}/{partition.number}")
    await write_act(connection, act, consumer=consumer, subject=f"{partition.topic}/{partition.number} to {to}")


def misfit(position: Position, *, start: int, end: int, identity: str) -> str | None:
    """Why a stored position does not belong to the log that is there; None when it does."""
    if position.topic_id not in {None, identity}:
        return RECREATED
    if position.next_offset < start:
        return cut(start, position.next_offset)
    if position.next_offset > end:
        return f"the log ends at {end}, the position is {position.next_offset}: the log was truncated or created again"
    return None


RECREATED = "the topic was deleted and created again"


def cut(start: int, next_offset: int) -> str:
    """Said of a log that begins behind the position."""
    return f"the log starts at {start}, the position is {next_offset}: messages were deleted before they were read"


def _position(row: Row) -> Position:
    return Position(Partition(row["topic"], row["partition"]), row["next_offset"], row["topic_id"], row["moved_at"])
