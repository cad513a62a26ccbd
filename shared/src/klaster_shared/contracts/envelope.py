"""One CloudEvent between Kafka and the services: reading what anybody may have written, writing what Klaster promises.

The one rule: whatever bytes and headers arrive, `decode` gives an envelope or raises `Undecodable`; nothing else comes out of
it, and no reason it gives repeats a value of the message. Sources: CloudEvents 1.0.2 with its Kafka binding, JSON format and
the extensions partitionkey, sequence, recordedtime, correlation.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from klaster_shared.contracts.bodies import Message, MoneyValue, Personal, instant, instant_text

__all__ = ["LONGEST_ATTRIBUTE", "OWN_SOURCES", "Envelope", "Message", "MoneyValue", "Personal", "Undecodable", "decode"]

OWN_SOURCES: Final = "/klaster/"
"""What `source` begins with in messages of Klaster's own services."""

LONGEST_ATTRIBUTE: Final = 1024
"""Characters. Correlation ids travel on into our own headers, so a stranger's must not be able to outgrow a message."""

INBOX_NAMESPACE: Final = uuid5(NAMESPACE_URL, "urn:klaster:inbox")

_ATTRIBUTES: Final = (
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "partitionkey",
    "time",
    "recordedtime",
    "sequence",
    "correlationid",
    "causationid",
    "dataschema",
)
_HEADERS: Final = {f"ce_{attribute}": attribute for attribute in _ATTRIBUTES}
_SEQUENCE: Final = re.compile(r"[0-9]{1,20}")
_LARGEST_SEQUENCE: Final = 2**63 - 1


class Undecodable(Exception):
    """The record is no CloudEvent that Klaster can read. `reason` is a sentence without any value of the message."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One CloudEvent, its attributes decoded; `data` are the raw JSON bytes of the body.

    `time` is when it happened in the world, `recorded_time` when it was recorded; both aware. `sequence` is the number of the
    fact in the life of its aggregate, None where a foreign source counts otherwise or not at all.
    """

    id: str
    source: str
    type: str
    subject: str | None
    time: datetime
    recorded_time: datetime | None
    sequence: int | None
    partition_key: str | None
    correlation_id: str | None
    causation_id: str | None
    data_schema: str | None
    data: bytes

    @property
    def is_own(self) -> bool:
        """Whether the message says that one of Klaster's services wrote it."""
        return self.source.startswith(OWN_SOURCES)

    @property
    def inbox_id(self) -> UUID:
        """The id that this message has in every inbox.

        Our own ids are UUIDs already. A stranger's id is unique only together with its source, and may be a copy of one of ours.
        """
        if self.is_own and (own := _canonical_uuid(self.id)) is not None:
            return own
        return uuid5(uuid5(INBOX_NAMESPACE, self.source), self.id)

    def headers(self) -> list[tuple[str, bytes]]:
        """Kafka headers of the binary mode, in the fixed order of the wire contract; what is None is left out."""
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
        ]
        if self.subject is not None:
            headers.append(("ce_subject", self.subject.encode()))
        if self.partition_key is not None:
            headers.append(("ce_partitionkey", self.partition_key.encode()))
        headers.append(("ce_time", instant_text(self.time).encode()))
        if self.recorded_time is not None:
            headers.append(("ce_recordedtime", instant_text(self.recorded_time).encode()))
        if self.sequence is not None:
            headers.append(("ce_sequence", b"%020d" % self.sequence))
        if self.correlation_id is not None:
            headers.append(("ce_correlationid", self.correlation_id.encode()))
        if self.causation_id is not None:
            headers.append(("ce_causationid", self.causation_id.encode()))
        if self.data_schema is not None:
            headers.append(("ce_dataschema", self.data_schema.encode()))
        headers.append(("content-type", b"application/json"))
        return headers


def decode(value: bytes | None, headers: Sequence[tuple[str, bytes | None]], *, timestamp: datetime | None = None) -> Envelope:
    """The CloudEvent in a Kafka record, in binary or structured mode. Raises Undecodable, and nothing else.

    `timestamp` is the record's own time; it stands in for `time`, which CloudEvents allows a sender to leave out.
    """
    if value is None:
        raise Undecodable("The record is a tombstone: it has no value.")
    if _is_structured(headers):
        attributes, data = _structured(value)
    else:
        attributes, data = _binary(headers), value
    return _envelope(attributes, data, timestamp)


def _canonical_uuid(text: str) -> UUID | None:
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None


def _is_structured(headers: Sequence[tuple[str, bytes | None]]) -> bool:
    """The content type alone decides the mode (Kafka binding, section 3), whichever `ce_` headers are there besides."""
    media_types = {_media_type(raw) for name, raw in headers if name.lower() == "content-type" and raw is not None}
    of_cloudevents = {media for media in media_types if re.match(r"application/cloudevents(?![a-z0-9])", media)}
    if not of_cloudevents:
        return False
    if len(media_types) > 1:
        raise Undecodable("The header content-type is given twice with different values.")
    if of_cloudevents <= {"application/cloudevents", "application/cloudevents+json"}:
        return True
    raise Undecodable("The content type is a CloudEvents format other than JSON, or a batch; send single events in JSON.")


def _media_type(raw: bytes) -> str:
    return raw.decode("latin-1").partition(";")[0].strip().lower()


def _binary(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, raw in headers:
        attribute = _HEADERS.get(name)
        if attribute is None:
            continue
        if raw is None:
            raise Undecodable(f"The header {name} is null.")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise Undecodable(f"The header {name} is not UTF-8.") from None
        if attributes.setdefault(attribute, text) != text:
            raise Undecodable(f"The header {name} is given twice with different values.")
    return attributes


def _structured(value: bytes) -> tuple[dict[str, str], bytes]:
    try:
        members = from_json(value, allow_inf_nan=False)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise Undecodable("The value is not the JSON object that its content type announces.")
    attributes: dict[str, str] = {}
    for attribute in _ATTRIBUTES:
        match members.get(attribute):
            case None:  # the JSON format treats null as left out
                continue
            case str() as text:
                attributes[attribute] = text
            case int() as number if attribute == "sequence" and not isinstance(number, bool):
                attributes[attribute] = str(number)
            case _:
                raise Undecodable(f"The attribute {attribute} is not text.")
    return attributes, _structured_data(members)


def _structured_data(members: Mapping[str, JsonValue]) -> bytes:
    body, encoded = members.get("data"), members.get("data_base64")
    if encoded is None:
        return to_json(body) if "data" in members else b""
    if body is not None:
        raise Undecodable("The event has both data and data_base64.")
    if not isinstance(encoded, str):
        raise Undecodable("The member data_base64 is not text.")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise Undecodable("The member data_base64 is not base64.") from None


def _envelope(attributes: Mapping[str, str], data: bytes, timestamp: datetime | None) -> Envelope:
    for attribute, text in attributes.items():
        if "\0" in text:
            raise Undecodable(f"The attribute {attribute} holds a NUL character.")
        if len(text) > LONGEST_ATTRIBUTE:
            raise Undecodable(f"The attribute {attribute} is longer than {LONGEST_ATTRIBUTE} characters.")
    for attribute in ("specversion", "id", "source", "type"):
        if not attributes.get(attribute):
            raise Undecodable(f"The attribute {attribute} is missing.")
    if attributes["specversion"] != "1.0":
        raise Undecodable("The attribute specversion is not 1.0.")
    time = _instant("time", attributes) or timestamp
    if time is None:
        raise Undecodable("The attribute time is missing, and so is the time of the record.")
    return Envelope(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes.get("subject") or None,
        time=time,
        recorded_time=_instant("recordedtime", attributes),
        sequence=_sequence(attributes),
        partition_key=attributes.get("partitionkey") or None,
        correlation_id=attributes.get("correlationid") or None,
        causation_id=attributes.get("causationid") or None,
        data_schema=attributes.get("dataschema") or None,
        data=data,
    )


def _instant(attribute: str, attributes: Mapping[str, str]) -> datetime | None:
    if not (text := attributes.get(attribute)):
        return None
    try:
        return instant(text)
    except ValueError:
        raise Undecodable(f"The attribute {attribute} is not an RFC 3339 instant with an offset.") from None


def _sequence(attributes: Mapping[str, str]) -> int | None:
    """The extension lets a source use any text that sorts; only our own sources promise a number."""
    text = attributes.get("sequence")
    if text and _SEQUENCE.fullmatch(text) and (number := int(text)) <= _LARGEST_SEQUENCE:
        return number
    if text is not None and attributes["source"].startswith(OWN_SOURCES):
        raise Undecodable("The attribute sequence is not a number of at most 20 digits.")
    return None
