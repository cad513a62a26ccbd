"""A Kafka in memory: partitions, producers whose acknowledgements get lost, and offsets with gaps.

The one rule: a producer keeps what `outbox.publisher.Publisher` promises and nothing more. Per partition a prefix of what was sent is
stored, in order; whether the first record that was not acknowledged is in it nobody knows; what was on its way when the
producer was closed, or its process died, may still arrive.
"""

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, NotLeaderForPartitionError

from klaster_shared.outbox.publisher import Headers
from klaster_shared.testing.simulation.event_loop import OF_NOBODY, Process
from klaster_shared.testing.simulation.hazards import Hazards

START_MILLISECONDS = 1_800_000_000_000
_GAPS = (1, 1, 1, 1, 1, 2, 3)
"""Steps from one offset to the next: transaction markers and compaction leave holes."""


CUT_OFF = 0.3
"""How often a record on the wire does not arrive when its producer is gone."""
STORED_ALL_THE_SAME = 0.5
"""How often a record that was not acknowledged is in the log."""

type Place = tuple[str, int]


@dataclass(slots=True)
class Log:
    """One partition. `end`: the offset that the next record may have."""

    records: list[Any] = field(default_factory=list)
    end: int = 0


class Broker:
    """Outlives every process. `refused`: marks in a value for which a record is refused for good; `away`: nobody is answered."""

    def __init__(self, hazards: Hazards, *, partitions: int) -> None:
        self.hazards = hazards
        self.partitions = partitions
        self.away = False
        self.refused: set[bytes] = set()
        self.logs: dict[Place, Log] = {}

    def place_of(self, topic: str, key: bytes | None) -> Place:
        return topic, zlib.crc32(key or b"") % self.partitions

    def log(self, place: Place) -> Log:
        return self.logs.setdefault(place, Log())

    def append(self, place: Place, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> int:
        log = self.log(place)
        offset = log.end + self.hazards.random.choice(_GAPS) - 1
        timestamp = START_MILLISECONDS + int(asyncio.get_running_loop().time() * 1000)
        log.records.append(
            SimpleNamespace(topic=place[0], partition=place[1], offset=offset, timestamp=timestamp, key=key, value=value, headers=tuple(headers))
        )
        log.end = offset + 1
        return offset

    def of_topic(self, topic: str) -> list[Any]:
        """Every record, partition after partition."""
        return [record for place, log in sorted(self.logs.items()) if place[0] == topic for record in log.records]


@dataclass(slots=True)
class Line:
    """What a producer has on its way to one partition. `broken`: from the first record on that was not acknowledged."""

    free_at: float = 0.0
    broken: bool = False


class SimulatedPublisher:
    """A producer of one process."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process
        self._lines: dict[Place, Line] = {}
        self._open: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def start(self) -> None:
        await self._broker.hazards.before(self._process, "start producer")
        self._must_answer()

    async def send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> "asyncio.Future[Any]":
        await self._broker.hazards.before(self._process, "send")
        self._must_answer()
        loop, random = asyncio.get_running_loop(), self._broker.hazards.random
        place = self._broker.place_of(topic, key)
        line = self._lines.setdefault(place, Line())
        line.free_at = max(line.free_at, loop.time() + random.uniform(0.0005, 0.02)) + 1e-6
        future = loop.create_future()
        self._open.add(future)
        # On the wire it is nobody's: it arrives, or not, whatever becomes of the process.
        loop.call_at(line.free_at, self._arrive, place, line, (key, value, headers), future, context=OF_NOBODY)
        await self._broker.hazards.after(self._process, "send")
        return future

    def _arrive(self, place: Place, line: Line, record: tuple[bytes, bytes, Headers], future: "asyncio.Future[Any]") -> None:
        hazards = self._broker.hazards
        error: Exception | None = None
        is_cut_off = (self._process.dead or self._closed) and hazards.random.random() < CUT_OFF
        if line.broken or self._broker.away or is_cut_off:
            error = KafkaConnectionError()
        elif any(mark in record[1] for mark in self._broker.refused):
            error = MessageSizeTooLargeError()
        elif hazards.strikes(hazards.rates.lost_acknowledgement):
            error = NotLeaderForPartitionError()
            hazards.count(self._process, "acknowledgement lost")
            if hazards.random.random() < STORED_ALL_THE_SAME:
                self._broker.append(place, *record)
        else:
            offset = self._broker.append(place, *record)
            hazards.note(self._process, f"stored {place[0]}/{place[1]} at {offset}")
        line.broken = line.broken or error is not None
        if self._process.dead or future.done():
            return
        asyncio.get_running_loop().call_later(hazards.random.uniform(0.0002, 0.02), _answer, future, error)

    async def hard_close(self) -> None:
        self._closed = True
        for future in self._open:
            _answer(future, KafkaConnectionError())
        if not self._process.dead:
            await self._broker.hazards.before(self._process, "close producer")

    def _must_answer(self) -> None:
        hazards = self._broker.hazards
        if self._closed or self._process.dead or self._broker.away or hazards.strikes(hazards.rates.lost_connection / 4):
            raise KafkaConnectionError


def _answer(future: "asyncio.Future[Any]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
        future.exception()  # nobody may ask
