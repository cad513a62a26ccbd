"""The operator's routes to parked messages.

The one rule: a list never shows a payload; a single message shows what is personal, and an export exists at all, only when the payload was
asked for by name.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import StreamingResponse

from klaster_shared.consuming.office import Parked, ParkedRecord, TakenIn, Touched, Wanted
from klaster_shared.errors import Invalid
from klaster_shared.web.actors import actor_of
from klaster_shared.web.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page
from klaster_shared.web.parked_bodies import (
    LARGEST,
    EditIn,
    ImportIn,
    ParkedOut,
    ParkedShown,
    RetryAllIn,
    RetryIn,
    SkipAllIn,
    SkipIn,
    TakenInOut,
    TouchedOut,
    WantedIn,
    exported,
)

type ParkedId = Annotated[int, Field(ge=1, le=LARGEST)]

JSON_LINES = "application/x-ndjson"


class ParkingOffice(Protocol):
    """What the routes ask of `klaster_shared.consuming.office`."""

    async def listing(self, wanted: Wanted, *, after: int, limit: int) -> Sequence[Parked]: ...

    async def show(self, parked_id: int) -> Parked: ...

    async def retry(self, parked_id: int, *, actor: str, reason: str | None) -> Parked: ...

    async def skip(self, parked_id: int, *, actor: str, reason: str) -> Parked: ...

    async def edit(self, parked_id: int, value: bytes, *, actor: str, reason: str) -> Parked: ...

    async def retry_all(self, wanted: Wanted, *, actor: str, reason: str | None, dry_run: bool, after: int, limit: int) -> Touched: ...

    async def skip_all(self, wanted: Wanted, *, actor: str, reason: str, dry_run: bool, after: int, limit: int) -> Touched: ...

    def export(self, wanted: Wanted, *, actor: str) -> AsyncIterator[Parked]: ...

    async def take_in(self, lines: Iterable[ParkedRecord], *, actor: str, reason: str, dry_run: bool) -> TakenIn: ...


class _Listed(WantedIn):
    """The query of a list."""

    cursor: Annotated[int, Field(ge=0, le=LARGEST, description="`next` of the page before.")] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


class _Exported(WantedIn):
    """The query of an export."""

    payload: bool = False


def add_parked_routes(router: APIRouter, office: ParkingOffice) -> None:
    _add_looking(router, office)
    _add_acts_on_one(router, office)
    _add_acts_on_many(router, office)


def _add_looking(router: APIRouter, office: ParkingOffice) -> None:
    @router.get("/parked")
    async def parked(asked: Annotated[_Listed, Query()]) -> Page[ParkedOut]:
        found = await office.listing(asked.wanted(), after=asked.cursor, limit=asked.limit + 1)
        shown = [ParkedOut.of(message) for message in found[: asked.limit]]
        return Page(items=shown, next=str(shown[-1].id) if len(found) > asked.limit else None)

    @router.get("/parked/export", response_class=StreamingResponse)
    async def export(asked: Annotated[_Exported, Query()], request: Request) -> StreamingResponse:
        """Every record that is meant, byte for byte, one JSON document per line. It holds personal fields: `payload=true` says that this is meant."""
        if not asked.payload:
            raise Invalid("payload", "true is expected: an export holds personal fields")
        return StreamingResponse(_lines(office.export(asked.wanted(), actor=actor_of(request))), media_type=JSON_LINES)

    @router.get("/parked/{parked_id}")
    async def show(parked_id: ParkedId, *, payload: bool = False) -> ParkedShown:
        """`?payload=true` shows headers and value, which may hold personal fields."""
        found = await office.show(parked_id)
        return ParkedShown.with_payload(found) if payload else ParkedShown.of(found)


def _add_acts_on_one(router: APIRouter, office: ParkingOffice) -> None:
    @router.post("/parked/{parked_id}/retry")
    async def retry(parked_id: ParkedId, request: Request, body: RetryIn | None = None) -> ParkedOut:
        """Tries the head of its key again at once; 409 `not-head` for any other."""
        return ParkedOut.of(await office.retry(parked_id, actor=actor_of(request), reason=None if body is None else body.reason))

    @router.post("/parked/{parked_id}/skip")
    async def skip(parked_id: ParkedId, body: SkipIn, request: Request) -> ParkedOut:
        """Gives the head of its key up, for the given reason; 409 `not-head` for any other."""
        return ParkedOut.of(await office.skip(parked_id, actor=actor_of(request), reason=body.reason))

    @router.post("/parked/{parked_id}/edit")
    async def edit(parked_id: ParkedId, body: EditIn, request: Request) -> ParkedOut:
        """Replaces the value of the head of its key and tries it again; 403 `editing-off` unless the service allows it."""
        return ParkedOut.of(await office.edit(parked_id, body.value.encode(), actor=actor_of(request), reason=body.reason))


def _add_acts_on_many(router: APIRouter, office: ParkingOffice) -> None:
    @router.post("/parked/retry")
    async def retry_all(body: RetryAllIn, request: Request) -> TouchedOut:
        """Retries the heads among those meant, `limit` at a time; with `dry_run` it only says which."""
        done = await office.retry_all(
            body.wanted.wanted(), actor=actor_of(request), reason=body.reason, dry_run=body.dry_run, after=body.cursor, limit=body.limit
        )
        return TouchedOut.of(done, dry_run=body.dry_run)

    @router.post("/parked/skip")
    async def skip_all(body: SkipAllIn, request: Request) -> TouchedOut:
        """Gives up the heads among those meant, `limit` at a time; what becomes head by that is left alone. With `dry_run` it only says which."""
        done = await office.skip_all(
            body.wanted.wanted(), actor=actor_of(request), reason=body.reason, dry_run=body.dry_run, after=body.cursor, limit=body.limit
        )
        return TouchedOut.of(done, dry_run=body.dry_run)

    @router.post("/parked/import")
    async def take_in(body: ImportIn, request: Request) -> TakenInOut:
        """Parks exported records again, in their order, behind what is queued for their keys. Repeating it changes nothing."""
        lines = [line.line() for line in body.lines]
        return TakenInOut.of(await office.take_in(lines, actor=actor_of(request), reason=body.reason, dry_run=body.dry_run), dry_run=body.dry_run)


async def _lines(found: AsyncIterator[Parked]) -> AsyncIterator[bytes]:
    async for parked in found:
        yield exported(parked)
