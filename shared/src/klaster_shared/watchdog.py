"""Whether work waits and none of it gets done, although everything it needs answers: then only a new start of the process helps.

The one rule: nothing is concluded from silence. Work must be seen waiting at every look, the own database and the broker must
have answered every look, through clients that are not under suspicion; whatever else is seen begins the count anew.
"""

import asyncio
import time
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from klaster_shared.observability.metrics import Metrics

LOOK_SECONDS: Final = 15.0
STANDSTILL_SECONDS: Final = 60.0
"""How long nothing may happen while work waits; five looks, so that one lost answer does not decide."""
PATIENCE_SECONDS: Final = 12.0
"""For one look at one component."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """`waiting` says to an operator what waits; None when nothing does. `progress` differs whenever some of it got done."""

    waiting: str | None
    progress: Hashable


class Watched(Protocol):
    """A component as the watchdog sees it."""

    @property
    def name(self) -> str: ...

    async def look(self) -> Look | None:
        """None when there is nothing a new start could mend. Raises when the database or the broker does not answer."""
        ...


@dataclass(slots=True)
class Watch:
    """What is known of one component; times are of `time.monotonic`."""

    watched: Watched
    progress: Hashable = None
    waiting: str | None = None
    since: float = 0.0
    seen: float = 0.0

    def note(self, look: Look | None, now: float) -> None:
        if look is None or look.waiting is None:
            self.waiting, self.progress = None, None
            return
        if self.waiting is None or look.progress != self.progress:
            self.since = now
        self.waiting, self.progress, self.seen = look.waiting, look.progress, now

    @property
    def seconds(self) -> float:
        """For how long, as of the last look, nothing has happened."""
        return 0.0 if self.waiting is None else self.seen - self.since

    @property
    def stands_still(self) -> bool:
        return self.seconds > STANDSTILL_SECONDS

    def __str__(self) -> str:
        return f"{self.waiting}, and nothing has happened for {self.seconds:.0f} s, although database and broker answer"


class Watchdog:
    """A component of every service process. Its report's `alive` is what `/livez` answers by."""

    role = None

    def __init__(self, watched: Sequence[Watched], metrics: Metrics) -> None:
        self._watches = [Watch(one) for one in watched]
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="watchdog")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def report(self) -> dict[str, Any]:
        standstill = {watch.watched.name: str(watch) for watch in self._watches if watch.stands_still}
        return {"component": "watchdog", "ok": not standstill, "alive": not standstill, "standstill": standstill}

    async def look(self) -> None:
        """One look at everything."""
        for watch in self._watches:
            before = watch.stands_still
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    look = await watch.watched.look()
            except Exception as error:  # noqa: BLE001 - whatever does not answer, a new start of this process does not mend it
                log.debug("nothing to be seen", component=watch.watched.name, failure=type(error).__name__)
                look = None
            watch.note(look, time.monotonic())
            self._metrics.standstill_seconds.labels(component=watch.watched.name).set(watch.seconds)
            if watch.stands_still and not before:
                log.error("component stands still; see the runbook ComponentStandsStill", component=watch.watched.name, waiting=watch.waiting)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()
