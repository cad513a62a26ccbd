"""Messages as they flow, one line each, read from Kafka beside everybody else.

The one rule: a reader without a group leaves no trace: no offsets, no rebalance. What is personal is hidden by the mark that the contracts put
on the field; of what no contract describes, nothing but its size is shown.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition
from pydantic import BaseModel

from klaster_local.failures import CommandFailed, WrongUsage
from klaster_shared.contracts.bodies import Message, Personal
from klaster_shared.contracts.envelope import Envelope, Undecodable, decode
from klaster_shared.contracts.registry import SchemaViolation, parse
from klaster_shared.contracts.topics import TOPICS

ANSWER_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.2
HIDDEN: Final = "•••"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One record. `envelope` is None and `problem` says why when it is no message; `body` is None when no contract describes it."""

    topic: str
    partition: int
    offset: int
    logged_at: datetime
    size: int
    envelope: Envelope | None
    body: Mapping[str, Any] | None
    problem: str = ""

    @property
    def type(self) -> str:
        """`EventApproved`; empty when it is no message."""
        return name_of(self.envelope.type) if self.envelope else ""


def name_of(ce_type: str) -> str:
    """`pl.lifescience.events.EventApproved.v1` → `EventApproved`; a stranger's type as it is."""
    parts = ce_type.split(".")
    return parts[-2] if ce_type.startswith("pl.lifescience.") and len(parts) > 2 else ce_type  # noqa: PLR2004 - name and version follow the service


def topics_like(wanted: str | None) -> tuple[str, ...]:
    """The topics whose name contains `wanted`, all without it. Raises WrongUsage when there is none."""
    found = tuple(name for name in TOPICS if wanted is None or wanted in name)
    if not found:
        raise WrongUsage(f"No topic is called like {wanted!r}; there are {', '.join(TOPICS)}.")
    return found


def tail(servers: str, topics: tuple[str, ...], *, from_beginning: bool, follow: bool, show_personal: bool) -> Iterator[Seen]:
    """Records in the order in which they come; across partitions that is not the order in which they were written.

    Without `follow` it ends at what is the end of the logs now. Raises CommandFailed when there is no broker.
    """
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "klaster-tail", "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 2}
    )
    try:
        partitions = _partitions(consumer, topics, servers)
        consumer.assign([TopicPartition(*partition, OFFSET_BEGINNING if from_beginning else OFFSET_END) for partition in partitions])
        unfinished = set(partitions)
        while follow or unfinished:
            record = consumer.poll(POLL_SECONDS)
            if record is None:
                continue
            if record.error() is None:
                yield seen(record, show_personal=show_personal)
            elif record.error().code() == record.error()._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name of the code
                unfinished.discard((record.topic(), record.partition()))
            elif record.error().fatal():
                raise CommandFailed(f"Kafka at {servers}: {record.error().str()}")
    finally:
        consumer.close()


def seen(record: Any, *, show_personal: bool) -> Seen:
    """A record of confluent_kafka, decoded as far as it goes."""
    value: bytes | None = record.value()
    logged_at = datetime.fromtimestamp(record.timestamp()[1] / 1000, UTC)
    envelope, body, problem = None, None, ""
    try:
        envelope = decode(value, record.headers() or [], timestamp=logged_at)
        message = parse(envelope)
        body = None if message is None else fields_of(message, show_personal=show_personal)
    except (Undecodable, SchemaViolation) as error:
        problem = str(error)
    return Seen(
        topic=record.topic(),
        partition=record.partition(),
        offset=record.offset(),
        logged_at=logged_at,
        size=len(value or b""),
        envelope=envelope,
        body=body,
        problem=problem,
    )


def fields_of(message: Message, *, show_personal: bool) -> dict[str, Any]:
    """The body as JSON values, personal fields hidden unless asked for."""
    fields = message.model_dump(mode="json")
    return fields if show_personal else _hidden(message, fields)


def _hidden(body: BaseModel, fields: dict[str, Any]) -> dict[str, Any]:
    for name, field in type(body).model_fields.items():
        value = getattr(body, name)
        if Personal in field.metadata:
            fields[name] = HIDDEN
        elif isinstance(value, BaseModel):
            fields[name] = _hidden(value, fields[name])
        elif isinstance(value, tuple):
            fields[name] = [_hidden(each, shown) if isinstance(each, BaseModel) else shown for each, shown in zip(value, fields[name], strict=True)]
    return fields


def _partitions(consumer: Consumer, topics: tuple[str, ...], servers: str) -> list[tuple[str, int]]:
    deadline = time.monotonic() + ANSWER_SECONDS
    try:
        there = consumer.list_topics(timeout=deadline - time.monotonic()).topics
    except KafkaException as error:
        raise CommandFailed(f"Kafka does not answer at {servers} ({error.args[0].name()}): is it running?") from error
    found = [(name, number) for name in topics if name in there for number in there[name].partitions]
    if not found:
        raise CommandFailed(f"Kafka at {servers} has none of the topics; `klaster topics apply` creates them.")
    return found
