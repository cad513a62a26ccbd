"""Arms the crash points of a process by its environment. Only where tests can run: a deployment refuses the variables.

    KLASTER_CRASH_AT=after_send:3               dies the third time it gets there
    KLASTER_CRASH_AT=after_send~0.05@17         dies there with a probability of 0.05 each time; 17 seeds the chance
    KLASTER_CRASH_AT=after_send:3,after_commit  whichever comes first
    KLASTER_CRASH_LOG=/tmp/crashes.jsonl        where each death is written down first

The one rule: the process ends as by `kill -9`: nothing is flushed, closed or handed over, but for one line that was on disk before.
"""

import itertools
import json
import os
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

from klaster_shared.crash_points import CrashPoint, arm

AT: Final = "KLASTER_CRASH_AT"
LOG: Final = "KLASTER_CRASH_LOG"
EXIT_STATUS: Final = 137
"""What a shell reports of a process that was killed by SIGKILL."""

_TEST_RUNNER: Final = "pytest"
"""Of the extra [testing]: without it nothing here is a test build."""
_COUNTED: Final = re.compile(r"(?P<point>[a-z_]+)(?::(?P<time>[1-9][0-9]*))?")
_BY_CHANCE: Final = re.compile(r"(?P<point>[a-z_]+)~(?P<probability>0?\.[0-9]+|1)@(?P<seed>[0-9]+)")

type Death = Callable[[], bool]
"""Asked each time a point is reached: whether this is the time."""


class CannotArm(Exception):
    """One sentence for whoever has set the variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A death that was written down: `at` in RFC 3339, UTC."""

    point: CrashPoint
    service: str
    pid: int
    at: str


def arm_from(environment: Mapping[str, str], *, service: str) -> None:
    """Does nothing without `KLASTER_CRASH_AT`, or with an empty one.

    Raises:
        CannotArm: this is no test build, or one of the variables cannot be understood.
    """
    wanted = environment.get(AT, "").strip()
    if not wanted:
        return
    if find_spec(_TEST_RUNNER) is None:
        raise CannotArm(f"{AT} is for test builds, and this is none: unset it")
    if not (log := environment.get(LOG)):
        raise CannotArm(f"{AT} needs {LOG}, the file in which the death is written down")
    deaths = plan(wanted)

    def die_if_it_is_time(point: CrashPoint) -> None:
        if point in deaths and deaths[point]():
            _die(Path(log), Crash(point=point, service=service, pid=os.getpid(), at=datetime.now(UTC).isoformat()))

    arm(die_if_it_is_time)


def plan(text: str) -> Mapping[CrashPoint, Death]:
    """
    Raises:
        CannotArm: a part is not `point`, `point:time` or `point~probability@seed`, or there is no such point.
    """
    deaths: dict[CrashPoint, Death] = {}
    for part in map(str.strip, text.split(",")):
        matched = _COUNTED.fullmatch(part) or _BY_CHANCE.fullmatch(part)
        if matched is None or matched["point"] not in set(CrashPoint):
            raise CannotArm(f"{AT} is not understood at {part!r}: point, point:time or point~probability@seed, of {', '.join(CrashPoint)}")
        given = matched.groupdict()
        deaths[CrashPoint(given["point"])] = _by_chance(**given) if "seed" in given else _at_time(int(given["time"] or 1))
    return deaths


def crashes(log: Path) -> list[Crash]:
    """What was written down, in order; nothing when nobody has died yet."""
    if not log.exists():
        return []
    lines = map(json.loads, log.read_text().splitlines())
    return [Crash(**(line | {"point": CrashPoint(line["point"])})) for line in lines]


def _at_time(time: int) -> Death:
    visits = itertools.count(1)
    return lambda: next(visits) == time


def _by_chance(probability: str, seed: str, **_: str) -> Death:
    chance = random.Random(int(seed))  # noqa: S311 - a repeatable experiment
    return lambda: chance.random() < float(probability)


def _die(log: Path, crash: Crash) -> NoReturn:
    with log.open("a") as out:  # one write of one line: several processes may share the file
        out.write(json.dumps(asdict(crash)) + "\n")
        out.flush()
        os.fsync(out.fileno())
    os._exit(EXIT_STATUS)
