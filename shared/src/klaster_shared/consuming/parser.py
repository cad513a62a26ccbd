"""From what FastStream fetched to messages, without losing one that is malformed.

FastStream's own parser drops a record with a null or non-UTF-8 header without a word; this one hands every record on as
it is, and each is read separately: what cannot be read becomes a verdict, never an exception.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord
from faststream.kafka.message import KafkaAckableMessage

from klaster_shared.consuming.handling import Consumer, Handler
from klaster_shared.consuming.parking import RawRecord, State, Verdict
from klaster_shared.consuming.positions import Partition
from klaster_shared.contracts.envelope import Envelope, Message, Undecodable, decode
from klaster_shared.contracts.registry import SchemaViolation, by_ce_type, parse
from klaster_shared.outbox.recorder import MAX_VALUE_BYTES

LATEST_MILLISECONDS = 253_402_300_799_999
"""The end of the year 9999. A producer may write any 64-bit number as its record's time; a datetime ends there."""

UNKNOWN_TYPE = "unknown"
"""The metric label of every type that is not in the registry: labels stay bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A record, read as far as it can be read.

    Exactly one of three: `message` with its `handler`; a `verdict`, to be parked; neither, to be skipped and counted.
    """

    record: RawRecord
    envelope: Envelope | None = None
    message: Message | None = None
    handler: Handler | None = None
    verdict: Verdict | None = None

    @property
    def label(self) -> str:
        kind = None if self.envelope is None else by_ce_type(self.envelope.type)
        return UNKNOWN_TYPE if kind is None else kind.name

    @property
    def gate(self) -> tuple[str, bytes] | None:
        """The (topic, key) whose order this record is part of."""
        key = self.record.gate_key
        return None if key is None else (self.record.partition.topic, key)


async def whole_batch(records: Any) -> KafkaAckableMessage:
    """FastStream's `parser=`: one message that carries the fetched records untouched."""
    first = records[0]
    return KafkaAckableMessage(
        body=b"",
        headers={},
        batch_headers=[],
        raw_message=records,
        message_id=f"{first.topic}-{first.partition}-{first.offset}",
        correlation_id="",
        reply_to="",
        content_type=None,
        path={},
        consumer=None,  # acknowledgement is ours
    )


async def undecoded(message: Any) -> Sequence[ConsumerRecord]:
    """FastStream's `decoder=`: the records themselves."""
    records: Sequence[ConsumerRecord] = message.raw_message
    return records


def raw_record(record: ConsumerRecord) -> RawRecord:
    return RawRecord(
        partition=Partition(record.topic, record.partition),
        offset=record.offset,
        logged_at=datetime.fromtimestamp(min(max(record.timestamp, 0), LATEST_MILLISECONDS) / 1000, UTC),
        key=record.key,
        headers=tuple(record.headers),
        value=record.value,
    )


def read(record: RawRecord, consumer: Consumer) -> Incoming:
    """Never raises: what is wrong with a record is its verdict."""
    if record.value is not None and len(record.value) > MAX_VALUE_BYTES:
        return _held(record, "too-large", f"{len(record.value)} bytes; a message holds at most {MAX_VALUE_BYTES}")
    try:
        envelope = decode(record.value, record.headers, timestamp=record.logged_at)
    except Undecodable as error:
        return _held(record, "undecodable", error.reason)
    if consumer.sources is not None and envelope.source not in consumer.sources:
        return _held(record, "unknown-source", "ce_source is not on this consumer's allow-list", envelope)
    handler = consumer.handlers.get(envelope.type)
    if handler is None:
        return Incoming(record=record, envelope=envelope)
    try:
        message = parse(envelope)
    except SchemaViolation as error:
        return _held(record, "schema", str(error), envelope)
    except Undecodable as error:
        return _held(record, "undecodable", error.reason, envelope)
    return Incoming(record=record, envelope=envelope, message=message, handler=handler)


def _held(record: RawRecord, reason: str, error: str, envelope: Envelope | None = None) -> Incoming:
    return Incoming(record=record, envelope=envelope, verdict=Verdict(reason=reason, state=State.HELD, error=error))
