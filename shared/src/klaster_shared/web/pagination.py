"""Lists are read in pages by the id of the last item, which stays right while rows are added in between.

The one rule: a query asks for `limit + 1` rows beyond `after`; the extra row says that there is a next page and is not shown.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.datastructures import QueryParams

from klaster_shared.errors import Invalid

MAX_LIMIT: Final = 200
DEFAULT_LIMIT: Final = 50


class Page[T](BaseModel):
    """One page of a list; `next` is the cursor of the following one, null on the last."""

    items: Sequence[T]
    next: str | None = Field(description="Give it as `cursor` to read on; null on the last page.")


class Paging:
    """What part of a list was asked for. `after` is the id of the last item seen, `rows` how many rows the query should fetch."""

    def __init__(self, request: Request, response: Response, cursor: str | None, limit: int) -> None:
        self._request = request
        self._response = response
        self.after = None if cursor is None else last_id(cursor)
        self.limit = limit
        self.rows = limit + 1

    def page[T](self, items: Sequence[T], id_of: Callable[[T], UUID] = attrgetter("id")) -> Page[T]:
        """The page from what the query gave, at most `rows` items in order; sets `Link: rel="next"` when there are more."""
        shown = items[: self.limit]
        if len(items) <= self.limit:
            return Page(items=shown, next=None)
        cursor = cursor_after(id_of(shown[-1]))
        self._response.headers["Link"] = f'<{self._address(cursor)}>; rel="next"'
        return Page(items=shown, next=cursor)

    def _address(self, cursor: str) -> str:
        """Path and query only: behind a proxy the service does not know its own host."""
        kept: list[tuple[str, Any]] = [(name, value) for name, value in self._request.query_params.multi_items() if name != "cursor"]
        return f"{self._request.url.path}?{QueryParams([*kept, ('cursor', cursor)])}"


def cursor_after(identifier: UUID) -> str:
    return base64.urlsafe_b64encode(identifier.bytes).decode().rstrip("=")


def last_id(cursor: str) -> UUID:
    """Raises Invalid, naming `cursor`, for anything that `cursor_after` has not made."""
    try:
        identifier = UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise Invalid("cursor", "give the value of `next` as it is") from None
    if cursor_after(identifier) != cursor:
        raise Invalid("cursor", "give the value of `next` as it is")
    return identifier


async def _paging(
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(max_length=64, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> Paging:
    return Paging(request, response, cursor, limit)


PageOf = Annotated[Paging, Depends(_paging)]
"""Declares `cursor` and `limit` on a list route."""
