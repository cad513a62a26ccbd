"""Which database failures pass by themselves. One list, used by the HTTP edge and by the consumers."""

import asyncpg
from sqlalchemy.exc import DBAPIError

from klaster_shared.errors import StaleVersion, Unavailable

DEADLOCK, SERIALIZATION, LOCK_TIMEOUT, UNIQUE_VIOLATION = "40P01", "40001", "55P03", "23505"

DATABASE_FAILURES = (OSError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Everything a statement, or asking for a connection, can raise: for loops that outlive their database. A connection that is
killed in the middle of a statement raises each of them in turn, `InternalClientError` included.
"""


def sqlstate_of(error: BaseException) -> str | None:
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_contention(error: BaseException) -> bool:
    """Lost a race that a second run of the same use case can win."""
    return isinstance(error, StaleVersion) or sqlstate_of(error) in {DEADLOCK, SERIALIZATION}


def is_connection_trouble(error: BaseException) -> bool:
    """The database or the way to it failed; whether the transaction was committed is unknown."""
    if isinstance(error, (OSError, TimeoutError, Unavailable, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError)):
        return True
    if isinstance(error, DBAPIError):
        return bool(error.connection_invalidated)
    state = sqlstate_of(error)
    return state is not None and (state[:2] in {"08", "53", "57"} or state == LOCK_TIMEOUT)


def is_transient(error: BaseException) -> bool:
    """For consumers: also a unique violation, which a concurrent writer of the same row causes once."""
    return is_contention(error) or is_connection_trouble(error) or sqlstate_of(error) == UNIQUE_VIOLATION
