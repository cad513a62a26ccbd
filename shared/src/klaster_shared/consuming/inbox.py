"""Which messages a consumer has already applied. A row is written in the transaction of the effect, never earlier."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Table, Text, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.metadata import PLATFORM
from klaster_shared.db.statements import Statement, rows_of

INBOX = Table(
    "inbox",
    PLATFORM,
    Column("consumer", Text, primary_key=True),
    Column("message_id", Uuid, primary_key=True),
    Column("applied_at", DateTime(timezone=True), nullable=False),
)
Index("ix_inbox_applied_at", INBOX.c.applied_at, postgresql_using="brin")

_ids = rows_of([INBOX.c.message_id])
_CLAIM = Statement(
    insert(INBOX)
    .from_select(
        ["consumer", "message_id", "applied_at"],
        select(bindparam("consumer", type_=Text), _ids.c.message_id, bindparam("now", type_=DateTime(timezone=True))).order_by(_ids.c.ordinality),
    )
    .on_conflict_do_nothing()
    .returning(INBOX.c.message_id)
)


async def claim(connection: Connection, consumer: str, ids: Iterable[UUID], now: Instant) -> set[UUID]:
    """The ids that this consumer has not applied before; they are its own as soon as the transaction commits."""
    asked = sorted(set(ids))  # one order for everybody: two claimers of the same ids cannot deadlock
    if not asked:
        return set()
    rows = await _CLAIM.fetch(connection, consumer=consumer, message_id=asked, now=now)
    return {row["message_id"] for row in rows}
