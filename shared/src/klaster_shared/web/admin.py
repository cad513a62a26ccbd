"""The operator's routes: what waits in the outbox, what is parked and why, where the consumers stand, and who has done what about it.

The one rule: an act is written down in the transaction that does it, with whoever the request says it comes from.
"""

from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, SecretStr

from klaster_shared.consuming.audit import Act, acts
from klaster_shared.consuming.positions import Partition, Position
from klaster_shared.outbox.requeueing import requeue
from klaster_shared.web import parked_routes
from klaster_shared.web.actors import actor_of, origin_of
from klaster_shared.web.fields import Body, InstantIn, Line, Paragraph, Whole
from klaster_shared.web.operators import OperatorRoute, operators_only
from klaster_shared.web.outbox_listing import OutboxListing, OutboxRow, outbox_listing
from klaster_shared.web.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page
from klaster_shared.web.parked_bodies import LARGEST
from klaster_shared.web.reading import Reading

type Id = Annotated[int, Field(ge=1, le=LARGEST)]
type After = Annotated[int, Query(alias="cursor", ge=0, le=LARGEST, description="`next` of the page before.")]
type Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class ParkingOffice(parked_routes.ParkingOffice, Protocol):
    """What the routes ask of `klaster_shared.consuming.office`."""

    async def positions(self) -> Any: ...

    async def reset_position(self, consumer: str, partition: Partition, to: int, *, actor: str, reason: str) -> None: ...


class RequeueIn(Body):
    reason: Paragraph | None = None


class ResetIn(Body):
    consumer: Line
    topic: Line
    partition: Annotated[int, Whole()]
    offset: Annotated[int, Whole(0, LARGEST)]
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


class ActOut(BaseModel):
    """`consumer` is `outbox` for what was published; `subject` says what the act was about, `message_id` which message, if it has an id."""

    id: int
    at: datetime
    actor: str
    action: str
    consumer: str
    subject: str
    message_id: UUID | None
    reason: str | None


class ActsAsked(Body):
    consumer: Line | None = None
    action: Line | None = None
    actor: Line | None = None
    since: InstantIn | None = None
    until: InstantIn | None = None
    cursor: Annotated[int, Field(ge=1, le=LARGEST, description="`next` of the page before.")] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


def admin_routes(office: ParkingOffice | None, token: SecretStr | None) -> APIRouter:
    """`office` is None in a service that consumes nothing: it has an outbox, and what was done to it."""
    router = APIRouter(prefix="/admin", tags=["operators"], dependencies=[Depends(operators_only(token))], route_class=OperatorRoute)
    _add_outbox(router)
    _add_acts(router)
    if office is not None:
        parked_routes.add_parked_routes(router, office)
        _add_positions(router, office)
    return router


def _add_outbox(router: APIRouter) -> None:
    @router.get("/outbox")
    async def outbox(connection: Reading, *, dead: bool | None = None, cursor: After = 0, limit: Limit = DEFAULT_LIMIT) -> OutboxListing:
        return await outbox_listing(connection, dead=dead, after=cursor, limit=limit)

    @router.post("/outbox/{row_id}/requeue")
    async def requeue_row(row_id: Id, request: Request, body: RequeueIn | None = None) -> OutboxRow:
        """Gives a dead row to the relay again, and with it what waits behind it; 409 `not-dead` for any other."""
        origin = origin_of(request)
        async with request.app.state.transactions.begin(origin) as work:
            act = Act(action="requeue", actor=origin.actor, at=work.now, reason=None if body is None else body.reason)
            return OutboxRow.model_validate(dict(await requeue(work.connection, row_id, act)))


def _add_acts(router: APIRouter) -> None:
    @router.get("/acts")
    async def listed(connection: Reading, asked: Annotated[ActsAsked, Query()]) -> Page[ActOut]:
        """What operators have done, the newest first."""
        limit = asked.limit
        wanted = asked.model_dump(exclude={"cursor", "limit"})
        rows = await acts(connection, **wanted, before=asked.cursor, limit=limit + 1)
        shown = [ActOut.model_validate(dict(row)) for row in rows[:limit]]
        return Page(items=shown, next=str(shown[-1].id) if len(rows) > limit else None)


def _add_positions(router: APIRouter, office: ParkingOffice) -> None:
    @router.get("/positions")
    async def positions() -> list[PositionOut]:
        return [PositionOut.of(consumer, position) for consumer, position in await office.positions()]

    @router.post("/positions/reset", status_code=204)
    async def reset(body: ResetIn, request: Request) -> None:
        """Sets where a consumer reads on: the way out of a refused partition."""
        await office.reset_position(body.consumer, Partition(body.topic, body.partition), body.offset, actor=actor_of(request), reason=body.reason)
