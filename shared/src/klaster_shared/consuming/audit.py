"""What operators did to the flow of messages: who, when, what, why. Written in the transaction of the act."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, DateTime, Identity, Table, Text

from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.metadata import PLATFORM
from klaster_shared.db.statements import Statement, insert_of

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
)
_INSERT = Statement(insert_of(OPERATOR_ACT, "id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    action: str
    actor: str
    at: Instant
    reason: str | None = None


async def write_act(connection: Connection, act: Act, *, consumer: str, subject: str) -> None:
    await _INSERT.execute(connection, at=act.at, actor=act.actor, action=act.action, consumer=consumer, subject=subject, reason=act.reason)
