"""Parked messages out of a database and into one: for another database, or after a mistaken skip.

The one rule: what comes in is parked as a live message would be: behind what is queued for its key, once, and not at all if it has been
applied. Only the mark of a skip in the inbox gives way to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, DateTime, Integer, Text, Uuid, bindparam, delete, exists, select

from klaster_shared.consuming.audit import OPERATOR_ACT, Act, write_act
from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.inbox import INBOX
from klaster_shared.consuming.parking import PARKED_MESSAGE, RawRecord, State, Verdict, park
from klaster_shared.consuming.parser import read
from klaster_shared.db.statements import Statement
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.errors import Invalid

_m, _i, _a = PARKED_MESSAGE.c, INBOX.c, OPERATOR_ACT.c
_consumer, _message_id = bindparam("consumer", type_=Text), bindparam("message_id", type_=Uuid)
_IS_PARKED = Statement(
    select(_m.id).where(
        _m.consumer == _consumer,
        _m.topic == bindparam("topic", type_=Text),
        _m.partition == bindparam("partition", type_=Integer),
        _m.log_offset == bindparam("log_offset", type_=BigInteger),
        _m.logged_at == bindparam("logged_at", type_=DateTime(timezone=True)),
    )
)
_UNSKIP = Statement(
    delete(INBOX).where(
        _i.consumer == _consumer,
        _i.message_id == _message_id,
        exists().where(_a.consumer == _i.consumer, _a.message_id == _i.message_id, _a.action == "skip", _a.at == _i.applied_at),
    )
)
_IS_DONE = Statement(select(_i.message_id).where(_i.consumer == _consumer, _i.message_id == _message_id))


class Reception(StrEnum):
    """What became of a record that was to be taken in."""

    PARKED = "parked"
    ALREADY_PARKED = "already-parked"
    ALREADY_APPLIED = "already-applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRecord:
    """One line of an export, as far as an import needs it; what else the line says is derived from the record."""

    consumer: str
    record: RawRecord
    reason: str
    error: str | None
    state: State


type TakenIn = Mapping[Reception, int]


async def take_in(work: UnitOfWork, line: ParkedRecord, consumer: Consumer, *, reason: str) -> Reception:
    """Parks the record again, inside the transaction of `work`, unless it is parked or applied already."""
    incoming = read(line.record, consumer)
    envelope = incoming.envelope
    message_id = None if envelope is None else envelope.inbox_id
    if await _is_parked(work, line):
        return Reception.ALREADY_PARKED
    if message_id is not None:
        await _UNSKIP.execute(work.connection, consumer=consumer.name, message_id=message_id)
        if await _IS_DONE.fetchval(work.connection, consumer=consumer.name, message_id=message_id) is not None:
            return Reception.ALREADY_APPLIED
    await park(
        work.connection,
        consumer.name,
        line.record,
        Verdict(reason=line.reason, state=State.HELD if line.state is State.HELD else State.DUE, error=line.error),
        message_id=message_id,
        type_=None if envelope is None else envelope.type,
        now=work.now,
        next_attempt_at=work.now,
    )
    where, number = line.record.partition
    subject = f"{where}/{number} at {line.record.offset}, {'unreadable' if envelope is None else envelope.type}, {line.reason}"
    act = Act(action="import", actor=work.actor, at=work.now, reason=reason)
    await write_act(work.connection, act, consumer=consumer.name, subject=subject, message_id=message_id)
    return Reception.PARKED


async def _is_parked(work: UnitOfWork, line: ParkedRecord) -> bool:
    record = line.record
    place = {"topic": record.partition.topic, "partition": record.partition.number, "log_offset": record.offset}
    return await _IS_PARKED.fetchval(work.connection, consumer=line.consumer, logged_at=record.logged_at, **place) is not None


def consumer_of(line: ParkedRecord, consumers: Mapping[str, Consumer]) -> Consumer:
    """
    Raises:
        Invalid: no consumer of this service has that name, or it does not read that topic.
    """
    consumer = consumers.get(line.consumer)
    if consumer is None:
        raise Invalid("consumer", "this service has no consumer of that name")
    if line.record.partition.topic not in consumer.topics:
        raise Invalid("topic", f"{consumer.name} does not read it")
    return consumer
