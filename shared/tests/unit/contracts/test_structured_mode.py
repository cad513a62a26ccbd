import json
from datetime import UTC, datetime
from typing import Any

import pytest

from klaster_shared.contracts.envelope import Envelope, Undecodable, decode

STRUCTURED = [("content-type", b"application/cloudevents+json")]
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "4711",
    "source": "/accounting/erp",
    "type": "pl.lifescience.inbound.InvoiceBooked.v1",
    "time": "2011-10-06T12:00:00Z",
    "datacontenttype": "application/json",
    "data": {"issuer": "Genopole, Évry", "amount": {"amount": "1.50", "currency": "PLN"}},
}


def structured(**changes: Any) -> Envelope:
    return decode(json.dumps({**EVENT, **changes}).encode(), STRUCTURED)


def reason_of(value: bytes, headers: list[tuple[str, bytes | None]] | None = None) -> str:
    with pytest.raises(Undecodable) as refused:
        decode(value, headers or [*STRUCTURED])
    return refused.value.reason


def test_attributes_and_data_are_read_from_the_value() -> None:
    envelope = structured()
    assert (envelope.id, envelope.source, envelope.time) == ("4711", "/accounting/erp", datetime(2011, 10, 6, 12, tzinfo=UTC))
    assert json.loads(envelope.data) == EVENT["data"]


@pytest.mark.parametrize(
    "content_type",
    [b"application/cloudevents", b"Application/CloudEvents+JSON; charset=UTF-8", b" application/cloudevents+json;charset=utf-8"],
)
def test_the_content_type_alone_decides(content_type: bytes) -> None:
    value = json.dumps(EVENT).encode()
    assert decode(value, [("ce_id", b"another"), ("Content-Type", content_type)]).id == "4711"


@pytest.mark.parametrize("content_type", [b"application/cloudeventsx", b"application/json", b"", b"text/plain; application/cloudevents"])
def test_any_other_content_type_means_binary_mode(content_type: bytes) -> None:
    assert "specversion" in reason_of(json.dumps(EVENT).encode(), [("content-type", content_type)])


@pytest.mark.parametrize(
    "content_type", [b"application/cloudevents+avro", b"application/cloudevents-batch+json", b"application/cloudevents+protobuf"]
)
def test_other_formats_and_batches_are_undecodable(content_type: bytes) -> None:
    assert "batch" in reason_of(b"[]", [("content-type", content_type)])


def test_two_content_types_that_disagree_about_the_mode_are_undecodable() -> None:
    assert "twice" in reason_of(b"{}", [*STRUCTURED, ("content-type", b"application/json")])


def test_null_means_left_out() -> None:
    assert structured(subject=None, correlationid=None, sequence=None).subject is None


def test_extensions_are_read() -> None:
    envelope = structured(correlationid="c", causationid="b", partitionkey="p", recordedtime="2011-10-06T12:00:01Z", sequence=12, subject="s")
    assert (envelope.correlation_id, envelope.causation_id, envelope.partition_key, envelope.subject) == ("c", "b", "p", "s")
    assert envelope.sequence == 12
    assert envelope.recorded_time == datetime(2011, 10, 6, 12, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [{"id": 4711}, {"time": 1317902400}, {"subject": {}}, {"sequence": True}, {"correlationid": ["c"]}])
def test_an_attribute_that_is_not_text_is_undecodable_and_named(wrong: dict[str, Any]) -> None:
    assert next(iter(wrong)) in reason_of(json.dumps({**EVENT, **wrong}).encode())


@pytest.mark.parametrize("attribute", ["specversion", "id", "source", "type"])
def test_a_missing_attribute_is_undecodable_and_named(attribute: str) -> None:
    assert attribute in reason_of(json.dumps({name: EVENT[name] for name in EVENT if name != attribute}).encode())


@pytest.mark.parametrize(
    "value", [b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff", b'{"id": NaN}', b'{"id": "\\ud800"}', b"[" * 100_000, b"\xef\xbb\xbf{}"]
)
def test_a_value_that_is_no_json_object_is_undecodable(value: bytes) -> None:
    assert "JSON object" in reason_of(value)


def test_an_escaped_nul_in_an_attribute_is_undecodable() -> None:
    assert "NUL" in reason_of(json.dumps({**EVENT, "subject": "a\0b"}).encode())


def test_base64_data_is_decoded() -> None:
    event = {name: EVENT[name] for name in EVENT if name != "data"}
    assert decode(json.dumps({**event, "data_base64": "e30="}).encode(), STRUCTURED).data == b"{}"


@pytest.mark.parametrize("encoded", ["e30", "*", 7, "e30=\n", "ż"])
def test_data_that_is_not_base64_is_undecodable(encoded: Any) -> None:
    event = {name: EVENT[name] for name in EVENT if name != "data"}
    assert "data_base64" in reason_of(json.dumps({**event, "data_base64": encoded}).encode())


def test_two_sorts_of_data_are_undecodable() -> None:
    assert "both" in reason_of(json.dumps({**EVENT, "data_base64": "e30="}).encode())


def test_an_event_may_have_no_data() -> None:
    assert decode(json.dumps({name: EVENT[name] for name in EVENT if name != "data"}).encode(), STRUCTURED).data == b""


def test_long_numbers_in_data_keep_their_digits() -> None:
    assert structured(data={"n": 12345678901234567890123}).data == b'{"n":12345678901234567890123}'
