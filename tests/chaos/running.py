"""Runs a row: load, faults under it, the end of both, and what an independent verifier says of the state.

The one rule: **a row is only as good as its injections that were reached.** Each fault proves by its own means that it happened (a line of the
crash log, a process that ended, bytes that stood still), and a row with an injection that was not reached has not passed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, Final

from klaster_local.verifying.findings import Finding
from tests.chaos.clients import Clients, open_clients
from tests.chaos.engines import System
from tests.chaos.ledger import Json, Ledger
from tests.chaos.load import Load, a_grant
from tests.chaos.results import CATEGORIES, Figure, Result, now, spread
from tests.chaos.verifier import verify
from tests.chaos.watching import LogWatch

SHORT, LONG = "short", "long"
FINDINGS_SHOWN: Final = 10

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of a row a tier does: `injections` of the fault, under `rate` commands a second, for at least `seconds` in all."""

    injections: int
    rate: float
    seconds: float = 0.0


@dataclass(slots=True)
class Run:
    """What a fault has at hand while its row runs."""

    system: System
    size: Size
    tier: str
    seed: int
    name: str
    random: Random
    clients: Clients
    ledger: Ledger
    watch: LogWatch
    grant: Json
    say: Say
    load: Load | None = None
    began: float = field(default_factory=time.time)
    figures: dict[str, Figure] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)

    @property
    def is_long(self) -> bool:
        return self.tier == LONG


class Fault:
    """One kind of fault. `inject` is called as often as the row's size says, while the load runs; it says whether it was reached."""

    mix: ClassVar[str] = "office"

    async def prepare(self, run: Run) -> None:
        """Before the load."""

    async def inject(self, run: Run, number: int) -> bool:
        """`number` counts from 0."""
        raise NotImplementedError

    async def mend(self, run: Run) -> None:
        """After the last injection, while the load still runs: everything is whole when it returns."""

    async def conclude(self, run: Run) -> None:
        """On the settled system: figures and checks of this fault alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the fault table. `fault` makes a new one for each run; `sizes` by tier; `invariants` in words, as the table of faults names them."""

    id: str
    words: str
    fault: Callable[[], Fault]
    sizes: Mapping[str, Size]
    invariants: Sequence[str]


class Judge:
    """Remembers what was found before: on a system that serves several rows each row answers for what is new."""

    def __init__(self, ledger: Ledger, system: System) -> None:
        self._ledger = ledger
        self._system = system
        self._known: set[tuple[str, str]] = set()

    async def verdict(self) -> tuple[dict[str, int], list[str], Mapping[str, int]]:
        """Category → new findings, some of them in words, and what was looked at."""
        report = await verify(self._ledger.path, self._system.databases, self._system.kafka_servers, self._system.mail.directory)
        found = {(category, _words(finding)) for category in CATEGORIES for finding in getattr(report, category)}
        new = sorted(found - self._known)
        self._known |= found
        return {category: sum(1 for each, _ in new if each == category) for category in CATEGORIES}, [f"{c}: {f}" for c, f in new], report.counts


async def run_row(row: Row, system: System, judge: Judge, ledger: Ledger, *, tier: str, seed: int, say: Say) -> Result:
    """Raises nothing that a fault caused: what went wrong is in the result. Raises TimeoutError when the system does not come back."""
    size, fault, random = row.sizes[tier], row.fault(), Random(f"{seed}-{row.id}")
    name = f"{row.id.lower()}-{random.getrandbits(32):08x}"
    began, began_words, reached = time.monotonic(), now(), 0
    async with open_clients(system.addresses, ledger, random) as clients:
        with LogWatch(system.kafka_servers) as watch:
            _, grant = await clients.post("budget", "/v1/grants", a_grant(name))
            run = Run(system, size, tier, seed, name, random, clients, ledger, watch, grant, say)
            await fault.prepare(run)
            async with Load(clients, mix=fault.mix, rate=size.rate, run=name, grant=grant, random=random) as load:
                run.load = load
                for number in range(size.injections):
                    reached += bool(await fault.inject(run, number))
                    say(f"{row.id} {number + 1}/{size.injections}, reached {reached}, {load.turns} commands")
                await fault.mend(run)
                await load.lasted(size.seconds)
                await load.end()
            await system.at_work()
            await system.settled()
            await fault.conclude(run)
            await system.settled()
            verdict, findings, counts = await judge.verdict()
            wire = watch.wire_duplicates()
    experience = clients.experience
    figures = {
        **run.figures,
        **spread(experience.seconds, "command"),
        "wire duplicates": wire,
        "accepted at once (%)": round(experience.accepted_at_once(), 2),
    }
    return Result(
        row=row.id,
        fault=row.words,
        tier=tier,
        seed=seed,
        began=began_words,
        seconds=round(time.monotonic() - began, 1),
        injections=size.injections,
        reached=reached,
        verdict=verdict,
        checks={"the load told its stories": not load.failures, "no answer is a server error": experience.server_errors() == 0, **run.checks},
        figures=figures,
        load=_asked(size, load, clients, counts),
        findings=tuple([*(repr(failure) for failure in load.failures), *findings][:FINDINGS_SHOWN]),
    )


def _asked(size: Size, load: Load, clients: Clients, counts: Mapping[str, int]) -> dict[str, Figure]:
    experience = clients.experience
    return {
        "commands/s": size.rate,
        "commands": load.turns,
        "answered": len(experience.seconds),
        "tries": sum(experience.tries.values()),
        "messages looked at": int(counts.get("messages", 0)),
    }


def _words(finding: Finding) -> str:
    """Without its detail, which may change from look to look."""
    return f"{finding.check} {finding.place} {finding.subject}"


def progress(line: str) -> None:
    pass


def quiet(_: str) -> None:
    """For suites that have a report of their own."""
