"""How long each phase took, shown while it runs and kept for the end."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from klaster_local.supervising.record import PhaseRecord


@dataclass(slots=True)
class Phase:
    """`seconds` is None while the phase runs; `began` is of the monotonic clock."""

    name: str
    began: float
    note: str = ""
    seconds: float | None = None


class Phases:
    """On a terminal a live list of phases; elsewhere one line per phase that ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phases: dict[str, Phase] = {}
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._view, refresh_per_second=12, transient=True) if console.is_terminal else None
        self._began = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Phases are shown inside; on a terminal the finished ones stay above."""
        if self._live is None:
            yield
            return
        with self._live:
            yield

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """A phase of the command itself."""
        running = self._phases[name] = Phase(name, time.monotonic())
        yield running
        self._end(running, time.monotonic() - running.began)

    def follow(self, records: Iterable[PhaseRecord]) -> None:
        """Takes over what the supervisor says of its phases."""
        for record in records:
            known = self._phases.setdefault(record.name, Phase(record.name, time.monotonic()))
            known.note = record.note
            if record.seconds is not None and known.seconds is None:
                self._end(known, record.seconds)

    def durations(self) -> dict[str, float]:
        """Seconds by phase, of those that have ended."""
        return {name: round(phase.seconds, 2) for name, phase in self._phases.items() if phase.seconds is not None}

    @property
    def total(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began

    def _end(self, phase: Phase, seconds: float) -> None:
        phase.seconds = seconds
        self._console.print(_ended(phase))

    def _view(self) -> RenderableType:
        running = Table.grid(padding=(0, 1))
        for phase in self._phases.values():
            if phase.seconds is None:
                spent = f"{time.monotonic() - phase.began:5.1f} s"
                running.add_row(self._spinner, Text(spent, "dim"), phase.name, Text(phase.note, "dim"))
        return running


def _ended(phase: Phase) -> Text:
    note = f"  {phase.note}" if phase.note else ""
    return Text.assemble(("✓ ", "green"), (f"{phase.seconds or 0.0:5.1f} s ", "dim"), phase.name, (note, "dim"))
