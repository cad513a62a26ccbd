"""Starting and stopping: HTTP answers at once, everything that needs the database starts when the database is fit for it.

The one rule: neither a missing broker nor a missing database keeps the process from starting; it says so, once per change of
state, and goes on when they are there. Only what waiting cannot mend (a refused password) ends it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

import structlog

from klaster_shared.db import migrating
from klaster_shared.db.engine import Database
from klaster_shared.db.failures import sqlstate_of
from klaster_shared.observability.failures import described

STOP_SECONDS: Final = 10.0
"""How long one component may take to stop."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_CHECK_SECONDS: Final = 2.0
_REFUSED_LOGIN, _NO_SUCH_DATABASE = "28", "3D000"  # an SQLSTATE class and an SQLSTATE
_log = structlog.get_logger(__name__)


class Component(Protocol):
    """A part that works beside HTTP: relay, consumers, sender, gauges."""

    async def start(self) -> None:
        """Returns soon; what needs the broker goes on in a task of its own."""

    async def stop(self) -> None:
        """Ends its tasks; never raises for being stopped twice or before its start."""

    def report(self) -> Mapping[str, Any]:
        """For `/readyz` and `klaster status`: its name as `component`, `ok`, and a few words and numbers; no secrets, no payloads."""


class State(StrEnum):
    READY = "ready"
    DATABASE_AWAY = "database-away"
    DATABASE_REFUSES = "database-refuses"
    MIGRATIONS_PENDING = "migrations-pending"


@dataclass(frozen=True, slots=True)
class Fitness:
    """What the service's own database is good for now; `reason` says it to an operator."""

    state: State
    reason: str

    @property
    def is_ready(self) -> bool:
        return self.state is State.READY


class Readiness:
    """Own database reachable and migrations at head: the definition of ready."""

    def __init__(self, database: Database, package: str) -> None:
        self._database = database
        self._package = package

    async def check(self) -> Fitness:
        try:
            async with asyncio.timeout(_CHECK_SECONDS), self._database.connect() as connection:
                if await migrating.pending(connection, self._package):
                    return Fitness(
                        State.MIGRATIONS_PENDING, f"the database waits for its migrations: run `{self._package.replace('_', '-')} migrate`"
                    )
        except Exception as failure:  # noqa: BLE001 - whatever keeps the database from answering is a state to report, never a crash
            return _unfit(failure)
        return Fitness(State.READY, "the database answers and is migrated")


def _unfit(failure: BaseException) -> Fitness:
    causes = [failure]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    state = next(filter(None, map(sqlstate_of, causes)), "")
    if state[:2] == _REFUSED_LOGIN:
        return Fitness(State.DATABASE_REFUSES, "the database refuses the user or the password: check the service's DATABASE_URL")
    if state == _NO_SUCH_DATABASE:
        return Fitness(State.DATABASE_REFUSES, "the server has no such database: check the service's DATABASE_URL")
    return Fitness(State.DATABASE_AWAY, f"the database does not answer ({type(causes[-1]).__name__})")


class Startup:
    """Waits until the database is fit, then starts the components in order; stops them in reverse.

    `hopeless` is set, and `reason` says why, when waiting cannot help: whoever runs the process then ends it.
    """

    def __init__(self, readiness: Readiness, components: Sequence[Component]) -> None:
        self._readiness = readiness
        self._components = components
        self.hopeless = asyncio.Event()
        self.reason = ""
        self._started: list[Component] = []
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._start_when_fit(), name="startup")

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for component in reversed(self._started):
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await component.stop()
            except Exception as failure:  # noqa: BLE001 - the others must be stopped whatever this one does
                _log.error("component did not stop cleanly", component=_name(component), **described(failure))

    def _give_up(self, reason: str) -> None:
        self.reason = reason
        self.hopeless.set()

    async def _start_when_fit(self) -> None:
        pause, last = _FIRST_PAUSE, None
        while not (fitness := await self._readiness.check()).is_ready:
            if fitness.state is State.DATABASE_REFUSES:
                self._give_up(fitness.reason)
                return
            if fitness != last:
                _log.warning("waiting", state=fitness.state, reason=fitness.reason)
            last = fitness
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        for component in self._components:
            self._started.append(component)
            try:
                await component.start()
            except Exception as failure:  # noqa: BLE001 - a component that cannot start ends the process, with a reason
                _log.error("component did not start", component=_name(component), **described(failure))
                self._give_up(f"{_name(component)} could not start ({type(failure).__name__})")
                return
        _log.info("ready", components=[_name(component) for component in self._components])


def _name(component: Component) -> str:
    return str(component.report()["component"])


def lifespan_of(startup: Startup, database: Database) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        startup.begin()
        try:
            yield
        finally:
            await startup.end()
            await database.dispose()

    return lifespan
