"""Another value for a parked message whose sender cannot be asked to send it right.

The one rule: an edit changes the value alone. Record, headers, id and type stay, the consumer must be able to read the result, and what
was replaced is kept with the act, byte for byte.
"""

from dataclasses import replace

from sqlalchemy import BigInteger, DateTime, LargeBinary, Text, Uuid, bindparam, update

from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.parking import PARKED_MESSAGE, RawRecord, State
from klaster_shared.consuming.parser import Incoming, read
from klaster_shared.consuming.retrying import record_of
from klaster_shared.db.statements import Row, Statement
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.errors import Invalid, Kind, KlasterError

_m = PARKED_MESSAGE.c
_REPLACE = Statement(
    update(PARKED_MESSAGE)
    .where(_m.id == bindparam("parked_id", type_=BigInteger))
    .values(
        value=bindparam("new_value", type_=LargeBinary),
        message_id=bindparam("new_message_id", type_=Uuid),
        type=bindparam("new_type", type_=Text),
        state=State.DUE.value,
        attempts=0,
        next_attempt_at=bindparam("now", type_=DateTime(timezone=True)),
    )
)


class EditingOff(KlasterError):
    """Parked messages are not changed here. Where operators may do that, the service runs with KLASTER_PARKED_EDITING=true."""

    slug = "editing-off"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("Parked messages are not changed here.")


async def replace_value(work: UnitOfWork, row: Row, consumer: Consumer, value: bytes) -> None:
    """Gives the head another value and makes it due; it has all its tries before it.

    Raises:
        Invalid: the consumer could not handle the result, or the result would be another message.
    """
    record = record_of(row)
    envelope = _readable(record, replace(record, value=value), consumer).envelope
    if envelope is None:
        raise LookupError("a readable record has an envelope")
    await _REPLACE.execute(
        work.connection, parked_id=row["id"], new_value=value, new_message_id=envelope.inbox_id, new_type=envelope.type, now=work.now
    )


def _readable(before: RawRecord, after: RawRecord, consumer: Consumer) -> Incoming:
    found, original = read(after, consumer), read(before, consumer).envelope
    if found.verdict is not None:
        raise Invalid("value", found.verdict.error or found.verdict.reason)
    if found.handler is None or found.envelope is None:
        raise Invalid("value", f"{consumer.name} has no handler for a message of this type")
    if original is not None and (original.inbox_id, original.type) != (found.envelope.inbox_id, found.envelope.type):
        raise Invalid("value", "it would be another message; its id and type stay as they are")
    return found
