"""Partitions that cannot go on for now: each waits by itself, with growing pauses, while the others flow.

The one rule: a pause decides nothing. The partition is sought back to where it stands, so whatever could not be disposed of
comes again, in its order, however often; only progress ends the pause.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from klaster_shared.consuming.positions import Partition


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of the first pause and of the longest; each one is twice the one before."""

    first: float
    longest: float


class Cause(StrEnum):
    HELD = "held"
    """The position is locked by a transaction of another process. Such a transaction ends by itself: at the latest, PostgreSQL ends one
    that stands still (db/engine.py, `idle_in_transaction_session_timeout`).
    """
    BLOCKED = "blocked"
    """A record can neither be applied nor parked. What is in the way has to be mended first, by itself or by an operator."""
    QUOTA = "quota"
    """A record would have to be parked, and there is no room."""


PACES: Final = {Cause.HELD: Pace(0.5, 2.0), Cause.BLOCKED: Pace(1.0, 60.0), Cause.QUOTA: Pace(1.0, 30.0)}


class PartitionBlocked(Exception):
    """Raised inside a chunk: nothing more of this partition can be disposed of for now, and setting the record aside is no way out.

    `why` is for operators and never holds a value of a message.
    """

    cause: ClassVar[Cause] = Cause.BLOCKED

    def __init__(self, partition: Partition, why: str) -> None:
        super().__init__(why)
        self.partition = partition
        self.why = why


@dataclass(slots=True)
class Pause:
    """`until` is a time of the event loop; infinite while the partition is being tried again."""

    cause: Cause
    why: str
    seconds: float
    until: float


class Pauses:
    """Of one consumer in one process. A partition that is tried again counts as paused until something of it is disposed of."""

    def __init__(self) -> None:
        self._pauses: dict[Partition, Pause] = {}

    def __len__(self) -> int:
        return len(self._pauses)

    def __contains__(self, partition: object) -> bool:
        return partition in self._pauses

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._pauses)

    def begin(self, partition: Partition, cause: Cause, why: str, now: float) -> None:
        before, pace = self._pauses.get(partition), PACES[cause]
        seconds = pace.first if before is None else min(before.seconds * 2, pace.longest)
        self._pauses[partition] = Pause(cause, why, seconds, now + seconds)

    def end_due(self, now: float) -> list[Partition]:
        """The partitions to try again now; each is named once for each pause."""
        due = [partition for partition, pause in self._pauses.items() if pause.until <= now]
        for partition in due:
            self._pauses[partition].until = math.inf
        return due

    def end(self, partition: Partition) -> bool:
        """Whether there was one."""
        return self._pauses.pop(partition, None) is not None

    def clear(self) -> None:
        self._pauses.clear()

    def caused_by(self, cause: Cause) -> int:
        return sum(pause.cause is cause for pause in self._pauses.values())

    def reasons(self) -> dict[Partition, str]:
        return {partition: pause.why for partition, pause in self._pauses.items()}
