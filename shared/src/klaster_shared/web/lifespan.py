"""Starting and stopping: HTTP answers at once, everything that needs the database starts when the database is fit for it.

The one rule: neither a missing broker nor a missing database keeps the process from starting; it says so, once per change of
state, and goes on when they are there. Only what waiting cannot mend (a refused password) ends it. A stop goes the other way
round: work in hand first, then the relay, which publishes what that work has committed, then the rest.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

import structlog

from klaster_shared.db import migrating
from klaster_shared.db.engine import Database
from klaster_shared.db.failures import sqlstate_of
from klaster_shared.lifecycle import CLOSE_SECONDS, PUBLISH_SECONDS, WORK_SECONDS, Role
from klaster_shared.observability.failures import described
from klaster_shared.web.draining import Doors

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_CHECK_SECONDS: Final = 2.0
_REFUSED_LOGIN, _NO_SUCH_DATABASE = "28", "3D000"  # an SQLSTATE class and an SQLSTATE
_log = structlog.get_logger(__name__)


class Component(Protocol):
    """A part that works beside HTTP: relay, consumers, sender, gauges."""

    @property
    def role(self) -> Role | None:
        """What `serve --only` knows it by; None for what runs in every process. Also decides when it is stopped: the relay after the workers."""

    async def start(self) -> None:
        """Returns soon; what needs the broker goes on in a task of its own."""

    async def stop(self) -> None:
        """Ends its tasks; never raises for being stopped twice or before its start."""

    def report(self) -> Mapping[str, Any]:
        """For `/readyz` and `klaster status`: its name as `component`, `ok`, and a few words and numbers; no secrets, no payloads.

        `alive: False` says that only a new start of the process helps; `/livez` then answers 503.
        """


class State(StrEnum):
    READY = "ready"
    DATABASE_AWAY = "database-away"
    DATABASE_REFUSES = "database-refuses"
    MIGRATIONS_PENDING = "migrations-pending"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Fitness:
    """What the service's own database is good for now; `reason` says it to an operator."""

    state: State
    reason: str

    @property
    def is_ready(self) -> bool:
        return self.state is State.READY


class Readiness:
    """Own database reachable and migrations at head, and nobody has asked for a stop: the definition of ready."""

    def __init__(self, database: Database, package: str, doors: Doors) -> None:
        self._database = database
        self._package = package
        self._doors = doors

    async def check(self) -> Fitness:
        if self._doors.closed:
            return Fitness(State.STOPPING, "the process is being stopped")
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
    """Waits until the database is fit, then starts the components in order.

    `hopeless` is set, and `reason` says why, when waiting cannot help: whoever runs the process then ends it.
    """

    def __init__(self, readiness: Readiness, components: Sequence[Component], doors: Doors) -> None:
        self._readiness = readiness
        self._components = components
        self._doors = doors
        self.hopeless = asyncio.Event()
        self.reason = ""
        self._started: list[Component] = []
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._start_when_fit(), name="startup")

    async def end(self) -> None:
        """Refuses new requests, lets everything finish what it has in hand, and stops it, within the bounds of `lifecycle`.

        Asked again, it waits for the same end.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="ending")
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        self._doors.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        workers = [component for component in self._started if component.role not in {Role.RELAY, None}]
        await asyncio.gather(self._doors.emptied(within=WORK_SECONDS), *(self._stop(worker, WORK_SECONDS) for worker in workers))
        await asyncio.gather(*(self._stop(component, PUBLISH_SECONDS) for component in self._started if component.role is Role.RELAY))
        await asyncio.gather(*(self._stop(component, CLOSE_SECONDS) for component in self._started if component.role is None))

    async def _stop(self, component: Component, within: float) -> None:
        try:
            async with asyncio.timeout(within):
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
            with suppress(TimeoutError):
                await asyncio.wait_for(database.dispose(), CLOSE_SECONDS)

    return lifespan
