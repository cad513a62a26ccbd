"""What the supervisor knows of its parts, as a file that everybody else reads.

The one rule: the record is written whole, by the supervisor alone; whether the supervisor lives is asked of its lock, never of this file.
"""

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ValidationError

RECORD_FILE = "stack.json"

type Kind = Literal["engine", "service"]


class PartState(StrEnum):
    """`waiting` for its turn, `starting` until it is ready, `paused` between a death and the next start."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class StackState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"


class PartRecord(BaseModel):
    """`created` is the process's start time as the system counts it: with the pid it names one process for ever. `note` is what it
    is about, `ended` why it was last started again.
    """

    name: str
    kind: Kind
    url: str
    state: PartState = PartState.WAITING
    pid: int | None = None
    created: float | None = None
    restarts: int = 0
    note: str = ""
    ended: str = ""


class PhaseRecord(BaseModel):
    """One step of the start. `seconds` counts from the moment the step began; None while it runs."""

    name: str
    note: str = ""
    seconds: float | None = None


class StackRecord(BaseModel):
    """`failure` is why the start was given up, with the end of a log after its first line."""

    supervisor: int
    started_at: AwareDatetime
    state: StackState = StackState.STARTING
    parts: list[PartRecord] = []
    phases: list[PhaseRecord] = []
    failure: str = ""

    @classmethod
    def read(cls, state_directory: Path) -> Self | None:
        """None when there is none, or when it was written by another release."""
        with contextlib.suppress(FileNotFoundError, ValidationError):
            return cls.model_validate_json((state_directory / RECORD_FILE).read_bytes())
        return None

    def write(self, state_directory: Path) -> None:
        partial = state_directory / f"{RECORD_FILE}.part"
        partial.write_text(self.model_dump_json(indent=2))
        partial.rename(state_directory / RECORD_FILE)

    def part(self, name: str) -> PartRecord | None:
        return next((part for part in self.parts if part.name == name), None)
