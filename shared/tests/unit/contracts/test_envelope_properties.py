"""What holds for every envelope, and for every heap of bytes that somebody puts on a topic."""

import json
from contextlib import suppress
from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st

from klaster_shared.contracts.envelope import Envelope, Undecodable, decode
from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.registry import MessageType, SchemaViolation, all_messages, parse

ATTRIBUTE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)
INSTANT = st.datetimes(timezones=st.just(UTC))
ENVELOPES = st.builds(
    Envelope,
    id=ATTRIBUTE,
    source=ATTRIBUTE | st.just("/klaster/events/event"),
    type=ATTRIBUTE,
    subject=st.none() | ATTRIBUTE,
    time=INSTANT,
    recorded_time=st.none() | INSTANT,
    sequence=st.none() | st.integers(0, 2**63 - 1),
    partition_key=st.none() | ATTRIBUTE,
    correlation_id=st.none() | ATTRIBUTE,
    causation_id=st.none() | ATTRIBUTE,
    data_schema=st.none() | ATTRIBUTE,
    data=st.binary(max_size=40),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_recordedtime", "ce_sequence", "ce_subject", "content-type", "Content-Type"]
VALUES = [b"1.0", b"2011-10-06T12:00:00Z", b"/klaster/a/b", b"application/cloudevents", b"application/cloudevents+json; x", b"\xff", b"", b"7"]
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), st.none() | st.sampled_from(VALUES) | st.binary(max_size=12)), max_size=14)
ATTRIBUTE_NAMES = ["specversion", "id", "source", "type", "time", "sequence", "subject", "data", "data_base64"]
STRUCTURED_VALUES = st.dictionaries(
    st.sampled_from(ATTRIBUTE_NAMES) | st.text(max_size=5), JSON | st.sampled_from(["1.0", "2011-10-06T12:00:00Z", "e30="])
).map(
    lambda members: json.dumps(members).encode(),
)


@given(ENVELOPES)
@settings(deadline=None)
def test_what_is_written_is_what_is_read(envelope: Envelope) -> None:
    assert decode(envelope.data, envelope.headers()) == envelope


@given(st.none() | st.binary(max_size=60) | STRUCTURED_VALUES, HEADERS)
@settings(deadline=None, max_examples=400)
def test_no_record_raises_anything_but_undecodable(value: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
    with suppress(Undecodable):
        assert decode(value, headers).headers()


@given(st.sampled_from(all_messages()), st.data())
@settings(deadline=None, max_examples=300)
def test_no_body_raises_anything_but_a_schema_violation_or_undecodable(kind: MessageType, data: st.DataObject) -> None:
    example = example_of(kind)
    spoilt = data.draw(st.dictionaries(st.sampled_from([*example]), JSON, max_size=2))
    body = data.draw(st.binary(max_size=20) | st.just(json.dumps({**example, **spoilt}).encode()))
    envelope = data.draw(
        ENVELOPES.map(lambda drawn: Envelope(**{name: getattr(drawn, name) for name in drawn.__slots__} | {"type": kind.ce_type, "data": body}))
    )
    with suppress(SchemaViolation, Undecodable):
        assert isinstance(parse(envelope), kind.model)
