"""What goes wrong, and when: every await at which a process speaks to the world passes here.

The one rule: all chance comes from one generator, drawn from in the order of the run, so a seed is a run. The rates are themselves
drawn: one run is all about crashes, the next about lost connections, a third is calm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from klaster_shared.testing.simulation.event_loop import Process, SimulatedLoop


@dataclass(frozen=True, slots=True)
class Rates:
    """Of each kind of trouble, for one await of that kind."""

    crash: float
    freeze: float
    lost_connection: float
    lost_statement: float
    lost_acknowledgement: float
    thrown_back: float
    slow: float

    @staticmethod
    def drawn(random: Random) -> "Rates":
        def one_of(*rates: float) -> float:
            return random.choice(rates)

        return Rates(
            crash=one_of(0.0, 0.002, 0.006, 0.02),
            freeze=one_of(0.0, 0.0, 0.003, 0.01),
            lost_connection=one_of(0.0, 0.005, 0.02, 0.06),
            lost_statement=one_of(0.0, 0.0, 0.01, 0.03),
            lost_acknowledgement=one_of(0.0, 0.02, 0.1, 0.3),
            thrown_back=one_of(0.0, 0.0, 0.1, 0.4),
            slow=one_of(0.0, 0.0, 0.02, 0.1),
        )


CALM = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class Crash:
    """One that is asked for: at the `at`-th await of the run, before or after its effect."""

    at: int
    after: bool


@dataclass(slots=True)
class Freeze:
    """One that is asked for: on the way to the `at`-th await of the run, for long enough to be put out of the group."""

    at: int


FREEZE_SECONDS = 15.0


class Hazards:
    """`until`: virtual seconds; from then on nothing goes wrong any more. `schedule` is kept only when asked for."""

    def __init__(
        self, random: Random, loop: SimulatedLoop, rates: Rates, *, until: float, blow: Crash | Freeze | None = None, record: bool = False
    ) -> None:
        self.random = random
        self.rates = rates
        self.until = until
        self.awaits = 0
        self.happened: dict[str, int] = {}
        self.schedule: list[str] = []
        self.freeze: Callable[[Process, float], None] = lambda _process, _seconds: None
        self.loop = loop
        self._blow = blow
        self._record = record

    @property
    def is_over(self) -> bool:
        return self.loop.time() >= self.until

    def strikes(self, rate: float) -> bool:
        return rate > 0.0 and not self.is_over and self.random.random() < rate

    def note(self, process: Process | None, what: str) -> None:
        if self._record:
            self.schedule.append(f"{self.loop.time():9.4f} {process.name if process else 'world':>6}  {what}")

    def count(self, process: Process | None, what: str) -> None:
        self.happened[what] = self.happened.get(what, 0) + 1
        self.note(process, f"!! {what}")

    async def before(self, process: Process, what: str) -> None:
        """The way there; the process may die on it."""
        slow = self.strikes(self.rates.slow)
        if self.strikes(self.rates.freeze):
            self.freeze(process, self.random.choice((0.3, 2.0, 12.0, 15.0, 65.0)))
        await self.loop.after(0.5 + 2.5 * self.random.random() if slow else 0.0002 + 0.01 * self.random.random())
        self.awaits += 1
        if isinstance(self._blow, Freeze) and self._blow.at == self.awaits:
            self.freeze(process, FREEZE_SECONDS)
            await self.loop.after(0.0)
        if self.strikes(self.rates.crash) or self._is_asked_for(after=False):
            await self._die(process, f"crash before {what}")
        self.note(process, what)

    async def after(self, process: Process, what: str) -> None:
        """It has happened; the process may die before it knows."""
        if self.strikes(self.rates.crash) or self._is_asked_for(after=True):
            await self._die(process, f"crash after {what}")

    def _is_asked_for(self, *, after: bool) -> bool:
        return isinstance(self._blow, Crash) and self._blow.at == self.awaits and self._blow.after is after

    async def _die(self, process: Process, what: str) -> None:
        self.count(process, what.partition(" ")[0])
        self.note(process, what)
        process.kill()
        await self.loop.create_future()


def described(happened: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in sorted(happened.items())) or "nothing went wrong"
