"""How a parked message looks over HTTP: in a list, alone, and as a line that is carried from one database to another."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import from_json, to_json

from klaster_shared.consuming.office import Parked, ParkedRecord, Reception, TakenIn, Touched, Wanted
from klaster_shared.consuming.parking import RawRecord, State
from klaster_shared.consuming.positions import Partition
from klaster_shared.contracts.envelope import Undecodable, decode
from klaster_shared.contracts.redacting import redacted_body
from klaster_shared.web.fields import Body, Flag, InstantIn, Line, Paragraph, Text, Whole

LARGEST = 2**63 - 1
MOST_AT_ONCE = 200

type Number = Annotated[int, Whole(0, LARGEST)]
type Key = Annotated[str, Text(1000, min_length=0)]


class ParkedOut(BaseModel):
    id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    key: str | None = Field(description="As text; bytes that are no UTF-8 are written as \\xNN.")
    type: str | None
    message_id: UUID | None
    reason: str
    error: str | None
    state: State
    attempts: int
    logged_at: datetime
    parked_at: datetime
    next_attempt_at: datetime | None

    @classmethod
    def of(cls, parked: Parked) -> Self:
        return cls(**_members(parked))


class ParkedShown(ParkedOut):
    """`body` is what the message says, without its personal fields; null where no contract describes it. The members below it are there when
    the payload was asked for: `value_text` is null when the bytes are no UTF-8, header values are base64, as they came and in their order.
    """

    value_bytes: int | None
    body: JsonValue = None
    headers: list[tuple[str, str | None]] | None = None
    value_base64: str | None = None
    value_text: str | None = None

    @classmethod
    def of(cls, parked: Parked) -> Self:
        return cls(**_members(parked), value_bytes=None if parked.value is None else len(parked.value), body=_redacted(parked))

    @classmethod
    def with_payload(cls, parked: Parked) -> Self:
        headers = [(name, base64_text(value)) for name, value in parked.headers]
        shown = {"headers": headers, "value_base64": base64_text(parked.value), "value_text": _text(parked.value)}
        return cls(**_members(parked), value_bytes=None if parked.value is None else len(parked.value), body=_whole(parked), **shown)


class WantedIn(Body):
    """Which parked messages are meant; what is left out does not matter. `type` is a name such as EventApproved, or a whole ce_type."""

    consumer: Line | None = None
    topic: Line | None = None
    key: Key | None = None
    type: Line | None = None
    reason: Line | None = None
    state: State | None = None
    since: InstantIn | None = Field(default=None, description="Parked then or later.")
    until: InstantIn | None = Field(default=None, description="Parked before.")

    def wanted(self) -> Wanted:
        given = {name: getattr(self, name) for name in WantedIn.model_fields if name != "key"}
        return Wanted(**given, key=None if self.key is None else self.key.encode())


class SkipIn(Body):
    reason: Paragraph


class RetryIn(Body):
    reason: Paragraph | None = None


class EditIn(Body):
    value: Annotated[str, Field(min_length=1)] = Field(description="The whole new value, as JSON text.")
    reason: Paragraph


class BulkIn(Body):
    wanted: WantedIn
    dry_run: Flag = False
    cursor: Number = Field(default=0, description="`next` of the answer before.")
    limit: Annotated[int, Whole(1, MOST_AT_ONCE)] = 100


class RetryAllIn(BulkIn):
    reason: Paragraph | None = None


class SkipAllIn(BulkIn):
    reason: Paragraph


class TouchedOut(BaseModel):
    """`touched` are the heads that were acted on, or would be; `waiting` counts those meant that wait behind another, on the first page only."""

    dry_run: bool
    touched: Sequence[int]
    waiting: int
    next: int | None

    @classmethod
    def of(cls, touched: Touched, *, dry_run: bool) -> Self:
        return cls(dry_run=dry_run, touched=touched.ids, waiting=touched.waiting, next=touched.next)


class LineIn(Body):
    """One line of an export. What it says beyond these members is derived from the record and ignored."""

    model_config = ConfigDict(extra="ignore")

    consumer: Line
    topic: Line
    partition: Annotated[int, Whole()]
    offset: Number
    logged_at: InstantIn
    key_base64: Base64Bytes | None
    headers: list[tuple[str, Base64Bytes | None]]
    value_base64: Base64Bytes | None
    reason: Line
    error: Annotated[str, Text(2000, min_length=0)] | None = None
    state: State

    def line(self) -> ParkedRecord:
        record = RawRecord(
            partition=Partition(self.topic, self.partition),
            offset=self.offset,
            logged_at=self.logged_at,
            key=self.key_base64,
            headers=self.headers,
            value=self.value_base64,
        )
        return ParkedRecord(consumer=self.consumer, record=record, reason=self.reason, error=self.error, state=self.state)


class ImportIn(Body):
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=MOST_AT_ONCE)]
    reason: Paragraph
    dry_run: Flag = False


class TakenInOut(BaseModel):
    dry_run: bool
    parked: int
    already_parked: int
    already_applied: int

    @classmethod
    def of(cls, taken: TakenIn, *, dry_run: bool) -> Self:
        return cls(dry_run=dry_run, **{outcome.value.replace("-", "_"): taken.get(outcome, 0) for outcome in Reception})


def exported(parked: Parked) -> bytes:
    """One line of JSON, with its end; every byte of the record is in it."""
    line = _members(parked) | {
        "key_base64": base64_text(parked.key),
        "headers": [(name, base64_text(value)) for name, value in parked.headers],
        "value_base64": base64_text(parked.value),
    }
    return to_json(line) + b"\n"


def base64_text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _members(parked: Parked) -> dict[str, Any]:
    plain = {name: getattr(parked, name) for name in ParkedOut.model_fields if name != "key"}
    return plain | {"key": None if parked.key is None else parked.key.decode(errors="backslashreplace")}


def _redacted(parked: Parked) -> JsonValue:
    try:
        return redacted_body(decode(parked.value, parked.headers, timestamp=parked.logged_at))
    except Undecodable:
        return None


def _whole(parked: Parked) -> JsonValue:
    try:
        body: JsonValue = from_json(decode(parked.value, parked.headers, timestamp=parked.logged_at).data)
    except (Undecodable, ValueError):
        return None
    return body


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
