"""An event loop whose time stands still while anything can run, and processes that can die in it.

The one rule: nothing here draws a number or looks at a clock. What runs next follows from the order of calls and from the times
that were asked for, so the same seed gives the same run.

A process is everything that was started from its context. One that is killed runs no further line: no `finally`, no `except`. That
is what a hard exit does, and what cancelling its tasks would not do.
"""

import asyncio
import warnings
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, cast

_CURRENT: ContextVar["Process | None"] = ContextVar("simulated process", default=None)
_CLOSING_TRIES = 50
OF_NOBODY = Context()
"""For what happens in the world, whatever becomes of the process that gave rise to it."""


class Frozen(Exception):
    """The loop has nothing left to do, and what it was to wait for has not come."""


class Process:
    """One operating system process. `frozen_until`: virtual seconds; until then nothing of it runs, and the world goes on without it."""

    def __init__(self, name: str, loop: "SimulatedLoop") -> None:
        self.name = name
        self.dead = False
        self.frozen_until = 0.0
        self.at_death: list[Callable[[], None]] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self._loop = loop
        self._context = copy_context()
        self._context.run(_CURRENT.set, self)

    def spawn[T](self, work: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        return self._loop.create_task(work, name=name, context=self._context.copy())

    def call[T](self, function: Callable[..., T], *arguments: Any) -> T:
        """Whatever the function starts belongs to this process."""
        return self._context.copy().run(function, *arguments)

    def kill(self) -> None:
        if not self.dead:
            self.dead = True
            for told in self.at_death:
                told()

    def bury(self) -> None:
        """At the end of a run: ends what was left suspended, so that the interpreter does not do it later, with complaints."""
        for task in list(self.tasks):
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - as asyncio.gather does with its own
                _close(task.get_coro())
        self.tasks.clear()


def current_process() -> Process | None:
    return _CURRENT.get()


class Handle:
    """What `call_soon` and `call_later` give back."""

    __slots__ = ("arguments", "callback", "context", "is_cancelled")

    def __init__(self, callback: Callable[..., Any], arguments: tuple[Any, ...], context: Context | None) -> None:
        self.callback = callback
        self.arguments = arguments
        self.context = copy_context() if context is None else context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled


class SimulatedLoop:
    """As much of an event loop as tasks, futures and timeouts need; nobody asks for more, or whether it is one."""

    def __init__(self) -> None:
        self._now = 0.0
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._count = 0
        self._errors: list[BaseException | str] = []

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return cast("Any", events._get_running_loop()) is self  # noqa: SLF001 - a loop has to stand where asyncio looks for it

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        handle = Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        handle = Handle(callback, args, context)
        self._push(when, handle)
        return handle

    def after(self, seconds: float) -> "asyncio.Future[None]":
        """Done that much later; cheaper than `asyncio.sleep`, and nobody cancels it."""
        future = self.create_future()
        self._push(self._now + seconds, Handle(_finish, (future,), None))
        return future

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=cast("Any", self))

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **_: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=cast("Any", self), name=name, context=context)
        process = task.get_context().get(_CURRENT)
        if process is not None:
            process.tasks.add(task)
            task.add_done_callback(process.tasks.discard)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.fail(context.get("exception") or str(context["message"]))

    def fail(self, error: BaseException | str) -> None:
        """The simulation itself is wrong, whatever the code in it makes of that: the run ends with it."""
        self._errors.append(error)

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Until `work` is done.

        Raises:
            Frozen: everything waits for something that nobody will do.
            RuntimeError: a callback or a forgotten task failed.
        """
        before = events._get_running_loop()  # noqa: SLF001 - same
        events._set_running_loop(cast("Any", self))  # noqa: SLF001 - same
        try:
            task: asyncio.Task[T] = self.create_task(work)
            self._run_until(task)
            if self._errors:
                raise RuntimeError("the simulation itself failed") from (e if isinstance(e := self._errors[0], BaseException) else Exception(e))
            return task.result()
        finally:
            events._set_running_loop(before)  # noqa: SLF001 - same

    def _run_until(self, task: "asyncio.Task[Any]") -> None:
        ready, timers, errors = self._ready, self._timers, self._errors
        while not task.done() and not errors:
            if ready:
                handle = ready.popleft()
            elif timers:
                self._now, _, handle = heappop(timers)
            else:
                raise Frozen
            if handle.is_cancelled:
                continue
            process = handle.context.get(_CURRENT)
            if process is not None and process.dead:
                continue
            if process is not None and process.frozen_until > self._now:
                self._push(process.frozen_until, handle)
                continue
            handle.context.run(handle.callback, *handle.arguments)

    def _push(self, when: float, handle: Handle) -> None:
        self._count += 1
        heappush(self._timers, (max(when, self._now), self._count, handle))


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _close(work: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of what its cleaning up would have awaited
        for _ in range(_CLOSING_TRIES):
            try:
                work.close()
            except BaseException:  # noqa: BLE001, S112 - whatever its cleaning up raises: it is dead
                continue
            return
