"""Processes that die: at a named point of the code, at any time, by a signal that they may answer, or only for a while."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from klaster_shared.testing.crashing import EXIT_STATUS, crashes
from klaster_shared.testing.processes import ServiceProcess
from tests.chaos.engines import at_work, terminated, until
from tests.chaos.results import spread
from tests.chaos.running import LONG, SHORT, Fault, Run
from tests.chaos.watching import now_as_records_have_it

REACHED_SECONDS: Final = 180.0
PUBLISHED_SECONDS: Final = 180.0
LOOK_SECONDS: Final = 0.01
SESSION_SECONDS: Final = 10.0
FIRST_PUBLISH_SECONDS: Final = 2.0


class Kills(Fault):
    """Restarts a service armed with a crash point, or kills it at a random time once it publishes; one after the other."""

    def __init__(self, mix: str, services: Sequence[str], points: Sequence[str | None], *, most: int = 8) -> None:
        """`points`: None is SIGKILL at a random time. A crash point fires at its first to `most`-th time, chosen anew for each start."""
        self._mix, self._services, self._points, self._most = mix, services, points, most
        self._published: list[float] = []
        self._at_work: list[float] = []

    @property
    def mix(self) -> str:  # type: ignore[override]  # of each instance, where other faults have one mix
        return self._mix

    async def inject(self, run: Run, number: int) -> bool:
        service = self._services[number // len(self._points) % len(self._services)]
        process, point = run.system.services[service], self._points[number % len(self._points)]
        process.kill()
        began = now_as_records_have_it()
        if point is None:
            process.begin()
            await self._first_publish(run, service, began)
            await asyncio.sleep(run.random.random() / 2)
            running = process.running
            process.kill()
            return running
        log = run.system.folder / f"{run.name}.crashes"
        process.begin(KLASTER_CRASH_AT=f"{point}:{run.random.randint(1, self._most)}", KLASTER_CRASH_LOG=str(log))
        pid = process.pid
        await _ended(process)
        reached = process.exit_status == EXIT_STATUS and any(crash.pid == pid and crash.point == point for crash in crashes(log))
        if len(self._services) > 1:  # the next one's turn: this one goes on meanwhile
            process.begin()
        return reached

    async def mend(self, run: Run) -> None:
        began = time.monotonic()
        processes = [run.system.services[service] for service in self._services]
        for process in processes:
            process.kill()
            process.begin()
        for process in processes:
            await at_work(process)
            self._at_work.append(time.monotonic() - began)

    async def conclude(self, run: Run) -> None:
        run.figures |= spread(self._published, "first publish after a restart")
        run.figures |= spread(self._at_work, "at work after a restart")
        if self._published and run.is_long:
            run.checks[f"first publish within {FIRST_PUBLISH_SECONDS:g} s of a restart"] = max(self._published) <= FIRST_PUBLISH_SECONDS

    async def _first_publish(self, run: Run, service: str, began: float) -> None:
        deadline = time.monotonic() + PUBLISHED_SECONDS
        while (sent := run.watch.first_after(service, began)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{service} published nothing within {PUBLISHED_SECONDS:g} s of its start")
            await asyncio.sleep(LOOK_SECONDS)
        self._published.append(sent - began)


class LostAnswers(Kills):
    """The crash between the commit of a command and its answer: every client asks again, and is told what was done."""

    async def conclude(self, run: Run) -> None:
        await super().conclude(run)
        repeated = run.clients.experience.repeated
        equal = 0
        for command in repeated:
            answer = await run.clients.repeat(command)
            equal += (answer.status_code, answer.json()) == (command.status, command.answer)
        lost = run.clients.experience.replayed
        run.figures |= {
            "commands answered by a repetition": len(repeated),
            "of these carried out before": lost,
            "the same again on a further one": equal,
        }
        run.checks["a repeated command has the answer of the first"] = equal == len(repeated)


class KillsUnderLoad(Fault):
    """Any service, every so many seconds, while everything is at work: nobody waits for anybody."""

    def __init__(self, *, short: float, long: float) -> None:
        self._every = {SHORT: short, LONG: long}
        self._back: list[float] = []

    async def inject(self, run: Run, number: int) -> bool:  # noqa: ARG002 - each time alike
        began = time.monotonic()
        process = run.system.services[run.random.choice(sorted(run.system.services))]
        running = process.running
        process.kill()
        process.begin()
        await at_work(process)
        self._back.append(time.monotonic() - began)
        await asyncio.sleep(max(0.0, self._every[run.tier] - self._back[-1]))
        return running

    async def conclude(self, run: Run) -> None:
        run.figures |= spread(self._back, "at work after a kill")


class Zombie(Fault):
    """A process stands still until another has its partitions, and then goes on as if nothing had been."""

    mix = "memberships"

    def __init__(self, *, short: float, long: float) -> None:
        self._seconds = {SHORT: short, LONG: long}
        self._taken: list[float] = []

    async def prepare(self, run: Run) -> None:
        self._second = run.system.replica("notifications")
        self._second.begin()
        await until(lambda: _joined(self._second), what="the second process in its groups")

    async def inject(self, run: Run, number: int) -> bool:
        first = run.system.services["notifications"]
        frozen, other = (first, self._second) if number % 2 == 0 else (self._second, first)
        before, began = _partitions(other), time.monotonic()
        frozen.freeze()
        await until(lambda: _partitions(other) > before, what="the other process in place of the frozen one")
        self._taken.append(time.monotonic() - began)
        await asyncio.sleep(max(0.0, self._seconds[run.tier] - self._taken[-1]))
        frozen.thaw()
        await until(lambda: _joined(frozen) and _joined(other), what="both processes at work")
        return True

    async def mend(self, run: Run) -> None:
        await terminated(self._second)
        await run.system.at_work()

    async def conclude(self, run: Run) -> None:
        run.figures |= spread(self._taken, "taken over from a frozen process")


class Rebalances(Fault):
    """A second process joins and leaves, again and again."""

    mix = "memberships"

    async def inject(self, run: Run, number: int) -> bool:  # noqa: ARG002 - each time alike
        second = run.system.replica("notifications")
        second.begin()
        await until(lambda: _joined(second), what="the joining process in its groups")
        await terminated(second)
        run.system.replicas.remove(second)
        return second.exit_status == 0

    async def conclude(self, run: Run) -> None:
        run.figures |= {
            "longest pause of consumption (s)": round(run.watch.longest_gap("notifications", run.began), 2),
            "deliveries reported": run.watch.sent("notifications", run.began),
        }


class TwoOfEach(Fault):
    """Two processes of a service at once, one of which is killed while it leads: who leads is sampled all the time."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = services
        self._taken: list[float] = []
        self._samples = self._overlaps = 0

    async def inject(self, run: Run, number: int) -> bool:
        service = self._services[number % len(self._services)]
        first, second = run.system.services[service], run.system.replica(service)
        second.begin()
        await until(lambda: bool(second.report()), what="the second process ready")
        for _ in range(20):
            await self._sample(first, second)
        led = _leads(first)
        began = time.monotonic()
        first.kill()
        await until(lambda: _leads(second), what="the second process leading")
        self._taken.append(time.monotonic() - began)
        first.begin()
        await until(lambda: bool(first.report()), what="the first process ready again")
        for _ in range(20):
            await self._sample(first, second)
        await terminated(second)
        run.system.replicas.remove(second)
        await until(lambda: _leads(first), what="the first process leading again")
        return led

    async def _sample(self, first: ServiceProcess, second: ServiceProcess) -> None:
        """The two answers are not of one instant, so two leaders in one sample mean two only if the first still leads afterwards."""
        leading = [await asyncio.to_thread(_leads, process) for process in (first, second, first)]
        self._samples += 1
        self._overlaps += all(leading)

    async def conclude(self, run: Run) -> None:
        run.figures |= {"samples of who leads": self._samples, "samples with two leaders": self._overlaps}
        run.figures |= spread(self._taken, "another relay leads after a kill")
        run.checks["never two leaders"] = self._overlaps == 0


class CleanStops(Fault):
    """SIGTERM under load: what was accepted is answered, and the rest asks again."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = services
        self._drained: list[float] = []

    async def inject(self, run: Run, number: int) -> bool:
        process = run.system.services[self._services[number % len(self._services)]]
        self._drained.append(await terminated(process))
        clean = process.exit_status == 0
        process.begin()
        await at_work(process)
        return clean

    async def conclude(self, run: Run) -> None:
        experience = run.clients.experience
        run.figures |= {
            **spread(self._drained, "stopped after SIGTERM"),
            "connections that ended without an answer": experience.unanswered(),
            "commands carried out without an answer": experience.replayed,
        }
        run.checks["what is carried out is answered"] = experience.replayed == 0


async def _ended(process: ServiceProcess) -> None:
    await until(lambda: not process.running, what=f"the end of {process.name}", within=REACHED_SECONDS)


def _joined(process: ServiceProcess) -> bool:
    """At work as a second process is: it owns partitions, and another may lead."""
    components = process.report().get("components", ())
    return bool(components) and all(component["ok"] and component.get("partitions", 1) for component in components)


def _partitions(process: ServiceProcess) -> int:
    return sum(component.get("partitions", 0) for component in process.report().get("components", ()))


def _leads(process: ServiceProcess) -> bool:
    return any(component.get("leader", False) for component in process.report().get("components", ()))
