"""What operators did to the flow of messages: who, when, what, why. Written in the transaction of the act.

The one rule: an act names its subject well enough that the message can be found again after it has gone: where it lay in the
log and, if it has one, its inbox id.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, LargeBinary, Table, Text, Uuid, bindparam, or_, select

from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.metadata import PLATFORM
from klaster_shared.db.statements import Row, Statement, insert_of

OUTBOX_ACTS = "outbox"
"""Stands where others name a consumer: the act concerns what this service publishes."""

OPERATOR_ACT = Table(
    "operator_act",
    PLATFORM,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("consumer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text),
    Column("message_id", Uuid, comment="the inbox id, if the act was about a message that has one"),
    Column("replaced_value", LargeBinary, comment="what an edit replaced, byte for byte; it may hold personal fields"),
)
_a = OPERATOR_ACT.c
Index("ix_operator_act_message", _a.consumer, _a.message_id, postgresql_where=_a.message_id.isnot(None))
_INSERT = Statement(insert_of(OPERATOR_ACT, "id"))


def _if_given(column: Any, name: str, kind: Any) -> Any:
    given = bindparam(name, type_=kind)
    return or_(given.is_(None), column == given)


_moment = DateTime(timezone=True)
_LIST = Statement(
    select(*[column for column in _a if column.name != "replaced_value"])
    .where(
        _if_given(_a.consumer, "consumer", Text),
        _if_given(_a.action, "action", Text),
        _if_given(_a.actor, "actor", Text),
        or_(bindparam("since", type_=_moment).is_(None), _a.at >= bindparam("since", type_=_moment)),
        or_(bindparam("until", type_=_moment).is_(None), _a.at < bindparam("until", type_=_moment)),
        or_(bindparam("before", type_=BigInteger).is_(None), _a.id < bindparam("before", type_=BigInteger)),
    )
    .order_by(_a.id.desc())
    .limit(bindparam("rows", type_=BigInteger))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    action: str
    actor: str
    at: Instant
    reason: str | None = None


async def write_act(
    connection: Connection, act: Act, *, consumer: str, subject: str, message_id: UUID | None = None, replaced_value: bytes | None = None
) -> None:
    await _INSERT.execute(
        connection,
        at=act.at,
        actor=act.actor,
        action=act.action,
        consumer=consumer,
        subject=subject,
        reason=act.reason,
        message_id=message_id,
        replaced_value=replaced_value,
    )


async def acts(
    connection: Connection,
    *,
    consumer: str | None,
    action: str | None,
    actor: str | None,
    since: Instant | None,
    until: Instant | None,
    before: int | None,
    limit: int,
) -> list[Row]:
    """The newest first, older than the one with the id `before`; what an edit replaced is not among the columns."""
    return await _LIST.fetch(connection, consumer=consumer, action=action, actor=actor, since=since, until=until, before=before, rows=limit)
