"""The order in which the stack comes up: as much at the same time as depends on nothing else.

The one rule: no service starts before its tables and all topics are there, so a first start has nothing to wait for and nothing to complain of.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

from klaster_local.configuration import SERVICES
from klaster_local.supervising.blueprint import KAFKA, MAIL, POSTGRES, Blueprint
from klaster_local.supervising.part import POLL_SECONDS, Part
from klaster_local.supervising.record import PhaseRecord, StackRecord
from klaster_shared.embedded.engine import Progress
from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.jars import cache_directory, install
from klaster_shared.embedded.supervision import Child, Program

MIGRATION_SECONDS = 120.0

type ApplyTopics = Callable[[], None]


class Startup:
    """Runs the phases and writes them down. `parts` are by name; `apply_topics` blocks and raises EngineError."""

    def __init__(
        self, blueprint: Blueprint, parts: dict[str, Part], record: StackRecord, *, changed: Callable[[], None], apply_topics: ApplyTopics
    ) -> None:
        self._blueprint = blueprint
        self._parts = parts
        self._record = record
        self._changed = changed
        self._apply_topics = apply_topics

    async def run(self) -> None:
        """Returns when every part is ready. Raises EngineError for the first thing that cannot be done."""
        try:
            async with asyncio.TaskGroup() as work:
                work.create_task(self._databases())
                work.create_task(self._messaging())
                work.create_task(self._start(MAIL, "mail sink"))
            async with self._phase("services"):
                await _all(self._parts[name].start() for name in SERVICES)
        except* EngineError as group:
            raise _first(group) from None

    async def _databases(self) -> None:
        await self._start(POSTGRES, "PostgreSQL")
        async with self._phase("databases"):
            await asyncio.to_thread(self._blueprint.postgres.access.provide, self._blueprint.databases())
        async with self._phase("migrations"):
            await _all(_run(self._blueprint.migration(name)) for name in SERVICES)

    async def _messaging(self) -> None:
        async with self._phase("Kafka's jars") as progress:
            loop = asyncio.get_running_loop()

            def from_thread(text: str) -> None:
                loop.call_soon_threadsafe(progress, text)

            await asyncio.to_thread(install, cache_directory(), from_thread)
        await self._start(KAFKA, "Kafka")
        async with self._phase("topics"):
            await asyncio.to_thread(self._apply_topics)

    async def _start(self, name: str, phase: str) -> None:
        async with self._phase(phase):
            await self._parts[name].start()

    @asynccontextmanager
    async def _phase(self, name: str) -> AsyncIterator[Progress]:
        phase = PhaseRecord(name=name)
        self._record.phases.append(phase)
        began = time.monotonic()

        def progress(text: str) -> None:
            phase.note = text
            self._changed()

        self._changed()
        yield progress
        phase.seconds = round(time.monotonic() - began, 3)
        self._changed()


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)


async def _run(program: Program) -> None:
    """Runs a program to its end; raises EngineError when that is not a proper one, or takes too long. Whoever gives up waiting ends it."""
    child = Child(program)
    child.start()
    try:
        async with asyncio.timeout(MIGRATION_SECONDS):
            while (code := child.poll()) is None:  # noqa: ASYNC110 - a process has no event to wait for
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise EngineError(
            f"{program.name} took longer than {MIGRATION_SECONDS:g} s and was ended. Its log is {program.log}; last lines:", child.log_tail()
        ) from None
    finally:
        child.kill()
    if code not in program.clean_exits:
        raise EngineError(f"{program.name} failed (exit code {code}). Its log is {program.log}; last lines:", child.log_tail())


def _first(group: BaseExceptionGroup[EngineError]) -> EngineError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
