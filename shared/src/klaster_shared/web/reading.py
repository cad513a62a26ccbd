"""A read borrows a connection and opens no transaction: each statement sees what is committed when it starts."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request

from klaster_shared.db.engine import Connection


async def reading(request: Request) -> AsyncIterator[Connection]:
    """Lends a connection until the route's function has returned.

    Raises:
        DatabaseAway: none could be had; the caller gets a 503.
    """
    async with request.app.state.database.connect() as connection:
        yield connection


Reading = Annotated[Any, Depends(reading, scope="function")]
"""`connection: Reading` on a GET route."""
