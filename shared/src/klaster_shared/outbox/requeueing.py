"""A dead row goes to the relay again, once what the broker disliked has been mended.

The one rule: a row is never dropped. The fact is committed, and a gap in its key's sequence would stay for ever.
"""

from sqlalchemy import BigInteger, bindparam, false, null, select, update

from klaster_shared.consuming.audit import OUTBOX_ACTS, Act, write_act
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Row, Statement
from klaster_shared.errors import NotFound, Refused
from klaster_shared.outbox.table import OUTBOX

_id = OUTBOX.c.id == bindparam("row", type_=BigInteger)
_shown = [column for column in OUTBOX.c if column.name not in {"headers", "payload"}]
_EXISTS = Statement(select(OUTBOX.c.id).where(_id))
_REQUEUE = Statement(update(OUTBOX).where(_id, OUTBOX.c.dead).values(dead=false(), attempts=0, error=null()).returning(*_shown))


class NotDead(Refused):
    """The row is on its way by itself: it waits for the relay, or behind another row of its topic and key. Only a dead row is put back."""

    slug = "not-dead"

    def __init__(self, row: int) -> None:
        super().__init__(f"Outbox row {row} is not dead.", id=row)


async def requeue(connection: Connection, row: int, act: Act) -> Row:
    """Gives a dead row all its attempts back; the relay takes it at its next look, and what waits behind it after it, in order.

    Raises:
        NotFound: it has been published meanwhile, or never was there.
        NotDead: the relay has not given it up.
    """
    found = await _REQUEUE.fetchrow(connection, row=row)
    if found is None:
        if await _EXISTS.fetchval(connection, row=row) is None:
            raise NotFound("outbox row", row)
        raise NotDead(row)
    subject = f"{found['topic']}, row {found['id']}, {found['type']}, {found['message_id']}"
    await write_act(connection, act, consumer=OUTBOX_ACTS, subject=subject, message_id=found["message_id"])
    return found
