"""What all engines have in common, and all that a supervisor needs to know of one.

The one rule: `start` may be called again after any end, proper or not; preparing anew is what mends the traces of a crash.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Self

from klaster_shared.embedded.supervision import Child, Program

Progress = Callable[[str], None]


def silent(_: str) -> None:
    """The progress callback of callers who do not want to know."""


class Engine(ABC):
    """A child with preparations. Subclasses say how to prepare, what to run and when it is ready."""

    name: ClassVar[str]
    ready_within: ClassVar[float]
    """Seconds from the start of the process; preparations such as a first download do not count."""

    def __init__(self) -> None:
        self._child: Child | None = None

    @abstractmethod
    def prepare(self, progress: Progress) -> Program:
        """Checks the port, creates what is missing and returns the program to run. Called before every start; may take minutes the first time."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether clients can use the engine; asked again and again from the start of the process on."""

    def start(self, progress: Progress = silent) -> None:
        """Returns when the engine can be used. Raises EngineError (PortTaken, ExitedEarly, NotReady) otherwise; no process is left behind then."""
        child = self.begin(progress)
        try:
            child.wait_ready(self.ready, within=self.ready_within)
        except BaseException:
            child.kill()
            raise

    def begin(self, progress: Progress = silent) -> Child:
        """Starts the process and does not wait until it can be used."""
        child = Child(self.prepare(progress))
        child.start()
        self._child = child
        return child

    @property
    def pid(self) -> int | None:
        """The process last started; None before the first start."""
        return None if self._child is None else self._child.pid

    def poll(self) -> int | None:
        """The exit code of an engine that has ended, None while it runs or before its first start."""
        return None if self._child is None else self._child.poll()

    def stop(self) -> bool:
        """True if the engine ended properly, or was not running."""
        return self._child is None or self._child.stop()

    def kill(self) -> None:
        """Ends the engine with SIGKILL, as a crash would."""
        if self._child is not None:
            self._child.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
