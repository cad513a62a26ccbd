"""The log as a stranger reads it: librdkafka for the records, and a few lines of our own for CloudEvents.

The one rule: nothing is shared with the code that wrote the log, or reads it in the services: one mistake in both would not be seen.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from klaster_local.verifying.failures import CannotLook

ANSWER_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 30.0
BATCH: Final = 2000
POLL_SECONDS: Final = 0.05
LATEST_MILLISECONDS: Final = 253_402_300_799_999
"""The end of the year 9999: a producer may write any number as its record's time."""

_OURS: Final = re.compile(r"pl\.lifescience\.[a-z]+\.(?P<name>[A-Za-z]+)\.v1")
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "urn:klaster:inbox")

type Headers = Sequence[tuple[str, bytes | None]]
type Place = tuple[str, int]
"""Topic, without its prefix, and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A record, or a row of an outbox that is to become one (`offset` -1), as far as it can be read.

    `id` is the one inboxes know it by, `ce_id` as it was written; `type` is the bare name of a type of version 1, None for others. Of
    a record that is no CloudEvent all three are None.
    """

    topic: str
    partition: int = -1
    offset: int = -1
    logged_at: datetime
    key: str | None
    value: bytes | None
    id: UUID | None = None
    ce_id: str | None = None
    type: str | None = None
    sequence: int | None = None
    correlation: str | None = None
    causation: str | None = None
    recorded_at: datetime | None = None

    @property
    def at(self) -> str:
        return f"{self.topic}/{self.partition} at {self.offset}" if self.offset >= 0 else f"{self.topic}, in the outbox"

    @property
    def body(self) -> Mapping[str, Any]:
        """Read anew each time: most bodies are never asked for."""
        parsed = json.loads(self.value or b"{}")
        return parsed if isinstance(parsed, dict) else {}


@dataclass(frozen=True, kw_only=True)
class Log:
    """`records` in the order of each partition, partition after partition."""

    records: Mapping[str, Sequence[Message]]
    starts: Mapping[Place, int]
    ends: Mapping[Place, int]

    @cached_property
    def by_id(self) -> Mapping[UUID, Message]:
        """First occurrences."""
        found: dict[UUID, Message] = {}
        for message in self:
            if message.id is not None:
                found.setdefault(message.id, message)
        return found

    @cached_property
    def by_ce_id(self) -> Mapping[str, Message]:
        found: dict[str, Message] = {}
        for message in self:
            if message.ce_id is not None:
                found.setdefault(message.ce_id, message)
        return found

    def __iter__(self) -> Iterator[Message]:
        for records in self.records.values():
            yield from records

    def is_cut(self, topic: str) -> bool:
        """Whether its beginning is gone, so that what is missing may be there no more."""
        return any(start > 0 for (name, _), start in self.starts.items() if name == topic)


def read_log(servers: str, topics: Iterable[str], *, prefix: str, told: Callable[[int], None]) -> Log:
    """Everything up to the ends as they are at the beginning; `told` hears the number of records so far.

    Raises:
        CannotLook: the broker does not answer, a topic is missing, or an end is not reached.
    """
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "klaster-verify", "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 2}
    )
    try:
        places = _places(consumer, topics, prefix)
        bounds = {place: consumer.get_watermark_offsets(TopicPartition(prefix + place[0], place[1]), ANSWER_SECONDS) for place in places}
        records: dict[Place, list[Message]] = {place: [] for place in places}
        wanted = {place: end for place, (start, end) in bounds.items() if start < end}
        consumer.assign([TopicPartition(prefix + topic, number, bounds[topic, number][0]) for topic, number in wanted])
        for number, record in enumerate(_until(consumer, wanted, prefix)):
            message = read_record(record, prefix)
            records[message.topic, message.partition].append(message)
            if number % BATCH == 0:
                told(number)
    except KafkaException as error:
        raise CannotLook(f"Kafka at {servers} does not answer: {error.args[0].str()}.") from error
    finally:
        consumer.close()
    by_topic: dict[str, list[Message]] = {}
    for (topic, _), found in records.items():
        by_topic.setdefault(topic, []).extend(found)
    return Log(records=by_topic, starts={p: start for p, (start, _) in bounds.items()}, ends={p: end for p, (_, end) in bounds.items()})


def _places(consumer: Any, topics: Iterable[str], prefix: str) -> list[Place]:
    known = consumer.list_topics(timeout=ANSWER_SECONDS).topics
    if missing := [prefix + topic for topic in topics if prefix + topic not in known]:
        raise CannotLook(f"The broker has no topic {', '.join(missing)}: `klaster topics apply` makes it.")
    return [(topic, number) for topic in topics for number in sorted(known[prefix + topic].partitions)]


def _until(consumer: Any, ends: Mapping[Place, int], prefix: str) -> Iterator[Any]:
    """Records below the ends. The last offset may belong to no record (a transaction's marker): the end of the partition says so."""
    open_, deadline = dict(ends), time.monotonic() + SILENCE_SECONDS
    while open_:
        for record in consumer.consume(BATCH, POLL_SECONDS):
            deadline = time.monotonic() + SILENCE_SECONDS
            place = (record.topic().removeprefix(prefix), record.partition())
            error, end = record.error(), open_.get(place)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's name for it
                raise KafkaException(error)
            if end is None:
                continue
            if error is None and record.offset() < end:
                yield record
            if record.offset() >= end - (error is None):
                del open_[place]
        if time.monotonic() > deadline:
            raise CannotLook(f"The log could not be read to its end: {', '.join(f'{topic}/{number}' for topic, number in open_)}.")


def read_record(record: Any, prefix: str) -> Message:
    logged_at = datetime.fromtimestamp(min(max(record.timestamp()[1], 0), LATEST_MILLISECONDS) / 1000, UTC)
    return message_of(
        topic=record.topic().removeprefix(prefix),
        partition=record.partition(),
        offset=record.offset(),
        logged_at=logged_at,
        key=record.key(),
        headers=record.headers() or [],
        value=record.value(),
    )


def message_of(
    *, topic: str, logged_at: datetime, key: bytes | None, headers: Headers, value: bytes | None, partition: int = -1, offset: int = -1
) -> Message:
    """Binary mode, or structured JSON where the content type says so; whatever is not understood has no id."""
    text = None if key is None else key.decode("utf-8", "backslashreplace")
    attributes, body = _attributes(headers, value)
    if not (identifier := attributes.get("id")) or value is None:
        return Message(topic=topic, partition=partition, offset=offset, logged_at=logged_at, key=text, value=body)
    matched = _OURS.fullmatch(attributes.get("type", ""))
    sequence = attributes.get("sequence", "")
    return Message(
        topic=topic,
        partition=partition,
        offset=offset,
        logged_at=logged_at,
        key=text,
        value=body,
        id=inbox_id(attributes.get("source", ""), identifier),
        ce_id=identifier,
        type=None if matched is None else matched["name"],
        sequence=int(sequence) if sequence.isascii() and sequence.isdecimal() else None,
        correlation=attributes.get("correlationid"),
        causation=attributes.get("causationid"),
        recorded_at=_instant(attributes.get("recordedtime") or attributes.get("time")),
    )


def inbox_id(source: str, identifier: str) -> UUID:
    """Our own ids as they are, a stranger's made unique by its source (design: foreign messages)."""
    if source.startswith("/klaster/"):
        try:
            if str(own := UUID(identifier)) == identifier:
                return own
        except ValueError:
            pass
    return uuid5(uuid5(_NAMESPACE, source), identifier)


def _attributes(headers: Headers, value: bytes | None) -> tuple[dict[str, str], bytes | None]:
    texts = {name: raw.decode("utf-8", "replace") for name, raw in headers if raw is not None}
    kind = next((text for name, text in texts.items() if name.lower() == "content-type"), "")
    if not kind.lower().startswith("application/cloudevents"):
        return {name.removeprefix("ce_"): text for name, text in texts.items() if name.startswith("ce_")}, value
    try:
        members = json.loads(value or b"")
    except ValueError:
        return {}, value
    if not isinstance(members, dict):
        return {}, value
    return {name: str(member) for name, member in members.items() if name != "data"}, json.dumps(members.get("data")).encode()


def _instant(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
