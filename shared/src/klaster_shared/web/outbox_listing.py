"""The outbox as an operator sees it: what waits, what is dead and why, what is to leave later; never what it says."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import BigInteger, Boolean, bindparam, func, or_, select

from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Statement
from klaster_shared.outbox.scheduled import scheduled_state
from klaster_shared.outbox.table import OUTBOX

_dead = bindparam("dead", type_=Boolean)
_ROWS = Statement(
    select(*[column for column in OUTBOX.c if column.name not in {"headers", "payload"}])
    .where(OUTBOX.c.id > bindparam("after", type_=BigInteger), or_(_dead.is_(None), OUTBOX.c.dead == _dead))
    .order_by(OUTBOX.c.id)
    .limit(bindparam("rows", type_=BigInteger))
)
_COUNTS = Statement(
    select(
        func.count().filter(~OUTBOX.c.dead).label("pending"),
        func.count().filter(OUTBOX.c.dead).label("dead"),
        func.min(OUTBOX.c.recorded_at).filter(~OUTBOX.c.dead).label("oldest"),
    )
)


class OutboxRow(BaseModel):
    id: int
    message_id: UUID
    topic: str
    key: str
    type: str
    recorded_at: datetime
    attempts: int
    dead: bool
    error: str | None


class OutboxListing(BaseModel):
    """`oldest` is when the oldest pending message was recorded; `next` the cursor of the following rows. `scheduled` messages are not
    among them yet; the first of those is due at `next_due`.
    """

    pending: int
    dead: int
    oldest: datetime | None
    scheduled: int
    next_due: datetime | None
    items: list[OutboxRow]
    next: str | None


async def outbox_listing(connection: Connection, *, dead: bool | None, after: int, limit: int) -> OutboxListing:
    (counts,) = await _COUNTS.fetch(connection)
    rows = await _ROWS.fetch(connection, dead=dead, after=after, rows=limit + 1)
    shown = [OutboxRow.model_validate(dict(row)) for row in rows[:limit]]
    more = str(shown[-1].id) if len(rows) > limit else None
    later = await scheduled_state(connection)
    return OutboxListing(
        pending=counts["pending"],
        dead=counts["dead"],
        oldest=counts["oldest"],
        scheduled=later.rows,
        next_due=later.next_due,
        items=shown,
        next=more,
    )
