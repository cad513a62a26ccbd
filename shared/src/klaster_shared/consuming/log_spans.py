"""Which part of the log is meant: bounds as people write them, and the offsets that they come to.

The one rule: both ends are fixed before the first record is read. What arrives later is the live consumer's, so a replay always ends.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from klaster_shared.consuming.positions import Partition
from klaster_shared.contracts.bodies import instant
from klaster_shared.errors import Invalid, NotFound, Unavailable

ANSWER_SECONDS: Final = 10.0


class Edge(StrEnum):
    BEGINNING = "beginning"
    END = "end"


@dataclass(frozen=True, slots=True)
class Moment:
    """The first record whose time in the log is not before this instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Places:
    """An offset in each of some partitions, and nothing of the others."""

    offsets: Mapping[Partition, int]


type Bound = Edge | Moment | Places


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to before `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return max(0, self.end - self.start)


class LogAway(Unavailable):
    """Kafka does not answer. Nothing was changed; try again when it is back."""

    slug = "log-away"


def bound(field: str, text: str) -> Bound:
    """`beginning`, `end`, an instant (RFC 3339), or `klaster.x.y.v1/3:120` (topic, partition, offset), several separated by commas.

    Raises:
        Invalid: it is none of these; `field` is what it was given for.
    """
    word = text.strip()
    if word in set(Edge):
        return Edge(word)
    if "/" in word:
        return Places(dict(_place(field, part) for part in word.split(",")))
    try:
        return Moment(instant(word))
    except ValueError:
        raise Invalid(field, "is `beginning`, `end`, an instant such as 2026-11-23T12:00:00Z, or TOPIC/PARTITION:OFFSET") from None


def _place(field: str, text: str) -> tuple[Partition, int]:
    topic, _, rest = text.strip().rpartition("/")
    number, _, offset = rest.partition(":")
    if not (topic and number.isdecimal() and offset.isdecimal()):
        raise Invalid(field, "a place in the log is TOPIC/PARTITION:OFFSET, such as klaster.events.event.v1/3:120")
    return Partition(topic, int(number)), int(offset)


class LogEdges:
    """Asks the broker where partitions begin and end, and where they stood at an instant. One client, made at the first question."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._made: Any = None

    async def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """
        Raises:
            NotFound: the broker has no such topic.
            LogAway: it does not answer.
        """
        return await asyncio.to_thread(self._partitions, list(topics))

    async def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return await asyncio.to_thread(self._offsets, dict.fromkeys(partitions, OffsetSpec.earliest()))

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Behind the last record that can be read; what lies in an open transaction comes after it."""
        return await asyncio.to_thread(self._offsets, dict.fromkeys(partitions, OffsetSpec.latest()))

    async def at(self, moment: datetime, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset of the first record that is not older; the end where there is none."""
        asked = list(partitions)
        milliseconds = max(0, -int(-moment.timestamp() * 1000 // 1))
        found = await asyncio.to_thread(self._offsets, dict.fromkeys(asked, OffsetSpec.for_timestamp(milliseconds)))
        ends = await self.ends([p for p in asked if found[p] < 0])
        return {p: offset if offset >= 0 else ends[p] for p, offset in found.items()}

    @property
    def _admin(self) -> Any:
        if self._made is None:
            self._made = AdminClient({"bootstrap.servers": self._servers, "log_level": 2})
        return self._made

    def _partitions(self, topics: list[str]) -> list[Partition]:
        try:
            there = self._admin.list_topics(timeout=ANSWER_SECONDS).topics
        except KafkaException as error:
            raise _away(self._servers, error) from error
        for topic in topics:
            if topic not in there:
                raise NotFound("topic", topic)
        return sorted(Partition(topic, number) for topic in topics for number in there[topic].partitions)

    def _offsets(self, asked: Mapping[Partition, OffsetSpec]) -> dict[Partition, int]:
        if not asked:
            return {}
        questions = {TopicPartition(*partition): spec for partition, spec in asked.items()}
        try:
            answers = self._admin.list_offsets(questions, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS)
            return {Partition(tp.topic, tp.partition): answer.result(ANSWER_SECONDS).offset for tp, answer in answers.items()}
        except KafkaException as error:
            raise _away(self._servers, error) from error


def _away(servers: str, error: KafkaException) -> LogAway:
    return LogAway(f"Kafka does not answer at {servers} ({error.args[0].name()}): is it running?")


async def spans(
    edges: LogEdges, topics: Iterable[str], *, begin: Bound, end: Bound, topic: str | None = None, partition: int | None = None
) -> dict[Partition, Span]:
    """What lies between the bounds in the partitions that are meant; a bound that names places means those partitions alone.

    Raises:
        Invalid: a bound lies outside the log, or names a partition that is not among those meant.
        NotFound: there is no such topic.
        LogAway: the broker does not answer.
    """
    heard = list(topics)
    if topic is not None and topic not in heard:
        raise Invalid("topic", f"is one of those that the consumer reads: {', '.join(heard)}")
    there = await edges.partitions(heard if topic is None else [topic])
    meant = [p for p in there if partition in {None, p.number}]
    for field, given in (("from", begin), ("to", end)):
        if isinstance(given, Places):
            meant = [p for p in meant if p in given.offsets]
            if strangers := given.offsets.keys() - set(meant):
                raise Invalid(field, f"{_named(min(strangers))} is no partition that is meant")
    if not meant:
        raise Invalid("partition", "no partition of these topics has this number")
    starts, ends = await edges.starts(meant), await edges.ends(meant)
    first, last = await _resolved(edges, begin, starts, ends), await _resolved(edges, end, starts, ends)
    for field, found in (("from", first), ("to", last)):
        for p, offset in found.items():
            if not starts[p] <= offset <= ends[p]:
                raise Invalid(field, f"{_named(p)} holds the offsets {starts[p]} to {ends[p]}, and {offset} is outside")
    return {p: Span(first[p], max(first[p], last[p])) for p in meant}


async def _resolved(edges: LogEdges, given: Bound, starts: Mapping[Partition, int], ends: Mapping[Partition, int]) -> dict[Partition, int]:
    match given:
        case Edge.BEGINNING:
            return dict(starts)
        case Edge.END:
            return dict(ends)
        case Moment(at):
            found = await edges.at(at, starts)
            return {p: min(offset, ends[p]) for p, offset in found.items()}
        case Places(offsets):
            return {p: offsets[p] for p in starts}


def _named(partition: Partition) -> str:
    return f"{partition.topic}/{partition.number}"
