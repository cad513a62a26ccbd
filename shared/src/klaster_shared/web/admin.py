"""The operator's routes: what waits in the outbox, what is parked and why, where the consumers stand.

The one rule: a list never shows a payload; a single message shows it only when asked to, because it may hold personal fields.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, SecretStr
from pydantic import Field as Described

from klaster_shared.consuming.office import Parked
from klaster_shared.consuming.parking import State
from klaster_shared.consuming.positions import Partition, Position
from klaster_shared.web.actors import actor_of
from klaster_shared.web.fields import Body, Line, Paragraph, Whole
from klaster_shared.web.operators import operators_only
from klaster_shared.web.outbox_listing import OutboxListing, outbox_listing
from klaster_shared.web.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page
from klaster_shared.web.reading import Reading

_LARGEST = 2**63 - 1

type ParkedId = Annotated[int, Described(ge=1, le=_LARGEST)]
type After = Annotated[int, Query(alias="cursor", ge=0, le=_LARGEST, description="`next` of the page before.")]
type Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class ParkingOffice(Protocol):
    """What the routes ask of `klaster_shared.consuming.office`."""

    async def listing(self, *, consumer: str | None, key: bytes | None, state: State | None, after: int, limit: int) -> Sequence[Parked]: ...

    async def show(self, parked_id: int) -> Parked: ...

    async def retry(self, parked_id: int, *, actor: str) -> Parked: ...

    async def skip(self, parked_id: int, *, actor: str, reason: str) -> Parked: ...

    async def positions(self) -> Sequence[tuple[str, Position]]: ...

    async def reset_position(self, consumer: str, partition: Partition, to: int, *, actor: str, reason: str) -> None: ...


class ParkedOut(BaseModel):
    id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    key: str | None = Described(description="As text; bytes that are no UTF-8 are written as \\xNN.")
    type: str | None
    message_id: UUID | None
    reason: str
    error: str | None
    state: State
    attempts: int
    logged_at: datetime
    parked_at: datetime
    next_attempt_at: datetime | None

    @classmethod
    def of(cls, parked: Parked) -> "ParkedOut":
        return cls(**_members(parked))


class ParkedInFull(ParkedOut):
    """`value_text` is null when the bytes are no UTF-8; header values are base64, as they came and in their order."""

    headers: list[tuple[str, str | None]] | None = None
    value_base64: str | None = None
    value_text: str | None = None

    @classmethod
    def with_payload(cls, parked: Parked) -> "ParkedInFull":
        headers = [(name, _base64(value)) for name, value in parked.headers]
        return cls(**_members(parked), headers=headers, value_base64=_base64(parked.value), value_text=_text(parked.value))


class SkipIn(Body):
    reason: Paragraph


class ResetIn(Body):
    consumer: Line
    topic: Line
    partition: Annotated[int, Whole()]
    offset: Annotated[int, Whole(0, _LARGEST)]
    reason: Paragraph


class PositionOut(BaseModel):
    consumer: str
    topic: str
    partition: int
    next_offset: int
    topic_id: str | None
    moved_at: datetime

    @classmethod
    def of(cls, consumer: str, position: Position) -> "PositionOut":
        topic, partition = position.partition
        return cls(
            consumer=consumer,
            topic=topic,
            partition=partition,
            next_offset=position.next_offset,
            topic_id=position.topic_id,
            moved_at=position.moved_at,
        )


def admin_routes(office: ParkingOffice | None, token: SecretStr | None) -> APIRouter:
    """`office` is None in a service that consumes nothing: it has an outbox only."""
    router = APIRouter(prefix="/admin", tags=["operators"], dependencies=[Depends(operators_only(token))])

    @router.get("/outbox")
    async def outbox(connection: Reading, *, dead: bool | None = None, cursor: After = 0, limit: Limit = DEFAULT_LIMIT) -> OutboxListing:
        return await outbox_listing(connection, dead=dead, after=cursor, limit=limit)

    if office is not None:
        _add_parking(router, office)
        _add_positions(router, office)
    return router


def _add_parking(router: APIRouter, office: ParkingOffice) -> None:
    @router.get("/parked")
    async def parked(
        consumer: Annotated[str | None, Query(max_length=200)] = None,
        key: Annotated[str | None, Query(max_length=1000)] = None,
        state: State | None = None,
        cursor: After = 0,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ParkedOut]:
        found = await office.listing(consumer=consumer, key=None if key is None else key.encode(), state=state, after=cursor, limit=limit + 1)
        shown = [ParkedOut.of(message) for message in found[:limit]]
        return Page(items=shown, next=str(shown[-1].id) if len(found) > limit else None)

    @router.get("/parked/{parked_id}")
    async def show(parked_id: ParkedId, *, payload: bool = False) -> ParkedInFull:
        """`?payload=true` shows headers and value, which may hold personal fields."""
        found = await office.show(parked_id)
        return ParkedInFull.with_payload(found) if payload else ParkedInFull(**_members(found))

    @router.post("/parked/{parked_id}/retry")
    async def retry(parked_id: ParkedId, request: Request) -> ParkedOut:
        """Tries the head of its key again at once; 409 `not-head` for any other."""
        return ParkedOut.of(await office.retry(parked_id, actor=actor_of(request)))

    @router.post("/parked/{parked_id}/skip")
    async def skip(parked_id: ParkedId, body: SkipIn, request: Request) -> ParkedOut:
        """Gives the head of its key up, for the given reason; 409 `not-head` for any other."""
        return ParkedOut.of(await office.skip(parked_id, actor=actor_of(request), reason=body.reason))


def _add_positions(router: APIRouter, office: ParkingOffice) -> None:
    @router.get("/positions")
    async def positions() -> list[PositionOut]:
        return [PositionOut.of(consumer, position) for consumer, position in await office.positions()]

    @router.post("/positions/reset", status_code=204)
    async def reset(body: ResetIn, request: Request) -> None:
        """Sets where a consumer reads on: the way out of a refused partition."""
        await office.reset_position(body.consumer, Partition(body.topic, body.partition), body.offset, actor=actor_of(request), reason=body.reason)


def _members(parked: Parked) -> dict[str, Any]:
    plain = {name: getattr(parked, name) for name in ParkedOut.model_fields if name != "key"}
    return plain | {"key": None if parked.key is None else parked.key.decode(errors="backslashreplace")}


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
