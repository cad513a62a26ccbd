"""Parked messages as operators see them, and the one filter that every tool understands."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, LargeBinary, Text, bindparam, func, or_, select

from klaster_shared.clock import Instant
from klaster_shared.consuming.parking import PARKED_MESSAGE, RawHeaders, State, headers_from_text
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Row, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked message; `value` and `headers` may hold personal fields."""

    id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    type: str | None
    message_id: UUID | None
    reason: str
    error: str | None
    state: State
    attempts: int
    logged_at: datetime
    parked_at: datetime
    next_attempt_at: datetime | None
    headers: RawHeaders
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which parked messages are meant; what is None does not matter. `type` is a name such as `EventApproved`, or a whole `ce_type`;
    `since` and `until` bound when a message was parked, the first of them included.
    """

    consumer: str | None = None
    topic: str | None = None
    key: bytes | None = None
    type: str | None = None
    reason: str | None = None
    state: State | None = None
    since: Instant | None = None
    until: Instant | None = None

    def __str__(self) -> str:
        """For the audit: only what was said."""
        said = {name: value.decode(errors="backslashreplace") if isinstance(value, bytes) else value for name, value in asdict(self).items() if value}
        return ", ".join(f"{name} {value}" for name, value in said.items()) or "everything"

    def parameters(self) -> dict[str, Any]:
        return {
            "consumer": self.consumer,
            "topic": self.topic,
            "key": self.key,
            "type": self.type,
            "reason": self.reason,
            "state": None if self.state is None else self.state.value,
            "since": self.since,
            "until": self.until,
        }


_m = PARKED_MESSAGE.c


def _if_given(name: str, kind: Any, condition: Any) -> Any:
    return or_(bindparam(name, type_=kind).is_(None), condition(bindparam(name, type_=kind)))


_short_type = func.regexp_replace(_m.type, r"^.*\.([^.]+)\.v[0-9]+$", r"\1")
_moment = DateTime(timezone=True)
_wanted = (
    _if_given("consumer", Text, lambda given: _m.consumer == given),
    _if_given("topic", Text, lambda given: _m.topic == given),
    _if_given("key", LargeBinary, lambda given: _m.key == given),
    _if_given("type", Text, lambda given: or_(_m.type == given, _short_type == given)),
    _if_given("reason", Text, lambda given: _m.reason == given),
    _if_given("state", Text, lambda given: _m.state == given),
    _if_given("since", _moment, lambda given: _m.parked_at >= given),
    _if_given("until", _moment, lambda given: _m.parked_at < given),
)
_after, _rows = bindparam("after", type_=BigInteger), bindparam("rows", type_=BigInteger)
_is_head = _m.state != State.WAITING.value
_LIST = Statement(select(PARKED_MESSAGE).where(*_wanted, _m.id > _after).order_by(_m.id).limit(_rows))
_HEADS = Statement(select(_m.id).where(*_wanted, _is_head, _m.id > _after).order_by(_m.id).limit(_rows))
_WAITING = Statement(select(func.count()).where(*_wanted, ~_is_head))
_STILL = Statement(select(_m.id).where(*_wanted, _m.id == bindparam("parked_id", type_=BigInteger)))
_SUMMARY = Statement(
    select(_m.consumer, _m.reason, func.count().label("messages"), func.min(_m.parked_at).label("oldest")).group_by(_m.consumer, _m.reason)
)


async def listing(connection: Connection, wanted: Wanted, *, after: int, limit: int) -> list[Parked]:
    """Ordered by id, from the one after `after`."""
    return [parked(row) for row in await _LIST.fetch(connection, **wanted.parameters(), after=after, rows=limit)]


async def heads(connection: Connection, wanted: Wanted, *, after: int, limit: int) -> list[int]:
    """Ids of what is meant and is the head of its gate, or has none; only a hint, the gate's lock decides."""
    return [row["id"] for row in await _HEADS.fetch(connection, **wanted.parameters(), after=after, rows=limit)]


async def waiting(connection: Connection, wanted: Wanted) -> int:
    """How many of those meant wait behind another message of their key."""
    found: int = await _WAITING.fetchval(connection, **wanted.parameters())
    return found


async def is_still_wanted(connection: Connection, wanted: Wanted, parked_id: int) -> bool:
    """Asked again under the lock: another reason than the one that was meant may have parked it meanwhile."""
    return await _STILL.fetchval(connection, **wanted.parameters(), parked_id=parked_id) is not None


async def summary(connection: Connection) -> list[tuple[str, str, int, datetime]]:
    """(consumer, reason, messages, parked since) of everything parked; what the gauges show."""
    return [(row["consumer"], row["reason"], row["messages"], row["oldest"]) for row in await _SUMMARY.fetch(connection)]


def parked(row: Row) -> Parked:
    return Parked(
        id=row["id"],
        consumer=row["consumer"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["log_offset"],
        key=row["key"],
        type=row["type"],
        message_id=row["message_id"],
        reason=row["reason"],
        error=row["error"],
        state=State(row["state"]),
        attempts=row["attempts"],
        logged_at=row["logged_at"],
        parked_at=row["parked_at"],
        next_attempt_at=row["next_attempt_at"],
        headers=headers_from_text(row["headers"]),
        value=row["value"],
    )
