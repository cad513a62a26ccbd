"""Waiting for a condition instead of for a time.

The one rule: a test that waits names what it waits for and gives up at a deadline, saying what it saw last.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, overload

POLL_SECONDS = 0.02
LONGEST_DESCRIPTION = 200


class StillNotTrue(AssertionError):
    """The condition did not come about in time; the message says which and what it returned, or failed with, last."""

    def __init__(self, what: str, within: float, last: object) -> None:
        super().__init__(f"{what} did not come about within {within:g} s; last seen: {last!r}")


def wait_until[T](condition: Callable[[], T], *, within: float = 40.0, what: str | None = None) -> T:
    """Polls until `condition()` is truthy and returns its value; an AssertionError it raises counts as not yet.

    Raises StillNotTrue after `within` seconds. Blocks the thread: for synchronous tests.
    """
    deadline = time.monotonic() + within
    while True:
        last: object
        try:
            if value := condition():
                return value
            last = value
        except AssertionError as failure:
            last = failure
        if time.monotonic() > deadline:
            raise StillNotTrue(what or _described(condition), within, last)
        time.sleep(POLL_SECONDS)


@overload
async def eventually[T](condition: Callable[[], Coroutine[Any, Any, T]], *, within: float = ..., what: str | None = ...) -> T: ...
@overload
async def eventually[T](condition: Callable[[], T], *, within: float = ..., what: str | None = ...) -> T: ...
async def eventually(condition: Callable[[], Any], *, within: float = 40.0, what: str | None = None) -> Any:
    """Like `wait_until`, for asynchronous tests and for conditions of both kinds; the event loop runs on between two looks."""
    deadline = time.monotonic() + within
    while True:
        last: object
        try:
            value: Any = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            last = value
        except AssertionError as failure:
            last = failure
        if time.monotonic() > deadline:
            raise StillNotTrue(what or _described(condition), within, last)
        await asyncio.sleep(POLL_SECONDS)


def _described(condition: Callable[[], object]) -> str:
    try:
        source = " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
    return source if len(source) <= LONGEST_DESCRIPTION else source[:LONGEST_DESCRIPTION] + "…"
