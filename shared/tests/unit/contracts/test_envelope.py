from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from klaster_shared.contracts.envelope import LONGEST_ATTRIBUTE, Envelope, Undecodable, decode

NOON = datetime(2011, 10, 6, 12, 0, 0, 250, tzinfo=UTC)
ENVELOPE = Envelope(
    id="0199f0a0-4c00-7a10-8000-000000000001",
    source="/klaster/events/event",
    type="pl.lifescience.events.EventCancelled.v1",
    subject="0199f0a0-4c00-7a10-8000-000000000005",
    time=NOON,
    recorded_time=NOON + timedelta(seconds=1),
    sequence=7,
    partition_key="0199f0a0-4c00-7a10-8000-000000000005",
    correlation_id="żółty",
    causation_id="0199f0a0-4c00-7a10-8000-000000000002",
    data_schema="urn:klaster:schema:events.EventCancelled:1",
    data=b'{"reason":"ice"}',
)
FOREIGN = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"4711"),
    ("ce_source", b"/accounting/erp"),
    ("ce_type", b"pl.lifescience.inbound.InvoiceBooked.v1"),
    ("ce_time", b"2011-10-06T14:00:00+02:00"),
]


def without(name: str) -> list[tuple[str, bytes | None]]:
    return [header for header in FOREIGN if header[0] != name]


def reason_of(value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> str:
    with pytest.raises(Undecodable) as refused:
        decode(value, headers)
    return refused.value.reason


def test_headers_are_those_of_the_wire_contract_in_its_order() -> None:
    assert ENVELOPE.headers() == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"0199f0a0-4c00-7a10-8000-000000000001"),
        ("ce_source", b"/klaster/events/event"),
        ("ce_type", b"pl.lifescience.events.EventCancelled.v1"),
        ("ce_subject", b"0199f0a0-4c00-7a10-8000-000000000005"),
        ("ce_partitionkey", b"0199f0a0-4c00-7a10-8000-000000000005"),
        ("ce_time", b"2011-10-06T12:00:00.000250Z"),
        ("ce_recordedtime", b"2011-10-06T12:00:01.000250Z"),
        ("ce_sequence", b"00000000000000000007"),
        ("ce_correlationid", "żółty".encode()),
        ("ce_causationid", b"0199f0a0-4c00-7a10-8000-000000000002"),
        ("ce_dataschema", b"urn:klaster:schema:events.EventCancelled:1"),
        ("content-type", b"application/json"),
    ]


def test_absent_attributes_have_no_header() -> None:
    bare = replace(
        ENVELOPE,
        subject=None,
        recorded_time=None,
        sequence=None,
        partition_key=None,
        correlation_id=None,
        causation_id=None,
        data_schema=None,
    )
    assert [name for name, _ in bare.headers()] == ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"]


def test_times_are_written_in_utc() -> None:
    local = replace(ENVELOPE, time=datetime(2011, 10, 6, 14, 0, tzinfo=timezone(timedelta(hours=2))))
    assert dict(local.headers())["ce_time"] == b"2011-10-06T12:00:00Z"


def test_a_time_without_zone_is_never_written() -> None:
    with pytest.raises(ValueError, match="time zone"):
        replace(ENVELOPE, time=datetime(2011, 10, 6)).headers()  # noqa: DTZ001 - the mistake under test


def test_the_id_of_our_own_message_is_its_inbox_id() -> None:
    assert ENVELOPE.inbox_id == UUID(ENVELOPE.id)


@pytest.mark.parametrize(
    "changed",
    [
        {"source": "/accounting/erp"},
        {"source": "/klasterlike/events/event"},
        {"id": "0199F0A0-4C00-7A10-8000-000000000001"},
        {"id": "{0199f0a0-4c00-7a10-8000-000000000001}"},
        {"id": "4711"},
    ],
)
def test_any_other_message_gets_an_inbox_id_made_of_source_and_id(changed: dict[str, str]) -> None:
    foreign = replace(ENVELOPE, **changed)  # type: ignore[arg-type]  # fields chosen by the parameters, all text
    assert foreign.inbox_id != ENVELOPE.inbox_id
    assert foreign.inbox_id == replace(foreign, data=b"{}", time=NOON).inbox_id
    assert foreign.inbox_id.version == 5


def test_the_same_foreign_id_from_two_sources_is_two_messages() -> None:
    one, other = (replace(ENVELOPE, source=source, id="1") for source in ("/accounting/erp", "/accounting/crm"))
    assert one.inbox_id != other.inbox_id


def test_a_sender_may_leave_out_everything_that_cloudevents_leaves_open() -> None:
    envelope = decode(b"{}", FOREIGN)
    assert envelope == Envelope(
        id="4711",
        source="/accounting/erp",
        type="pl.lifescience.inbound.InvoiceBooked.v1",
        subject=None,
        time=datetime(2011, 10, 6, 12, tzinfo=UTC),
        recorded_time=None,
        sequence=None,
        partition_key=None,
        correlation_id=None,
        causation_id=None,
        data_schema=None,
        data=b"{}",
    )


def test_the_time_of_the_record_stands_in_for_a_missing_time() -> None:
    assert decode(b"{}", without("ce_time"), timestamp=NOON).time == NOON


def test_without_any_time_a_record_is_undecodable() -> None:
    assert "time is missing" in reason_of(b"{}", without("ce_time"))


def test_a_tombstone_is_undecodable() -> None:
    assert "tombstone" in reason_of(None, FOREIGN)


def test_an_empty_value_is_no_tombstone() -> None:
    assert decode(b"", FOREIGN).data == b""


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
@pytest.mark.parametrize("value", [b"", None, b"\xff\xfe", b"a\0b"])
def test_a_needed_header_that_says_nothing_is_undecodable_and_named(name: str, value: bytes | None) -> None:
    assert name.removeprefix("ce_") in reason_of(b"{}", [*without(name), (name, value)])


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
def test_a_missing_header_is_undecodable_and_named(name: str) -> None:
    assert name.removeprefix("ce_") in reason_of(b"{}", without(name))


def test_a_needed_header_with_two_values_is_undecodable() -> None:
    assert "ce_id is given twice" in reason_of(b"{}", [*FOREIGN, ("ce_id", b"4712")])


def test_a_needed_header_said_twice_with_one_value_is_fine() -> None:
    assert decode(b"{}", [*FOREIGN, ("ce_id", b"4711")]).id == "4711"


def test_what_other_headers_hold_does_not_matter() -> None:
    others = [("traceparent", None), ("ce_vendor", b"\xff"), ("ce_vendor", b"1"), ("content-type", b"\xff"), ("content-type", None), ("", b"")]
    assert decode(b"{}", [*others, *FOREIGN]).id == "4711"


@pytest.mark.parametrize("version", [b"0.3", b"1.1", b"1"])
def test_another_version_of_cloudevents_is_undecodable(version: bytes) -> None:
    assert "specversion" in reason_of(b"{}", [*without("ce_specversion"), ("ce_specversion", version)])


@pytest.mark.parametrize(
    "time",
    [
        b"2011-10-06T12:00:00",
        b"2011-10-06",
        b"1317902400",
        b"20111006T120000Z",
        b"2011-13-06T12:00:00Z",
        b"2011-10-06T12:00:00+0200",
        b"0001-01-01T00:00:00+23:59",
        "2011-10-06T12:00:0\u0660Z".encode(),
    ],
)
@pytest.mark.parametrize("name", ["ce_time", "ce_recordedtime"])
def test_a_time_that_is_not_rfc_3339_is_undecodable(name: str, time: bytes) -> None:
    assert name.removeprefix("ce_") in reason_of(b"{}", [*without(name), (name, time)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2011-10-06t12:00:00z", datetime(2011, 10, 6, 12, tzinfo=UTC)),
        (b"2011-10-06T12:00:00.123456789Z", datetime(2011, 10, 6, 12, 0, 0, 123456, tzinfo=UTC)),
        (b"2011-10-06 12:00:00-01:30", datetime(2011, 10, 6, 13, 30, tzinfo=UTC)),
    ],
)
def test_every_form_of_rfc_3339_is_read(text: bytes, expected: datetime) -> None:
    assert decode(b"{}", [*without("ce_time"), ("ce_time", text)]).time == expected


@pytest.mark.parametrize("sequence", [b"abc", b"-1", b"1.5", b"9" * 20, b"9" * 21, "\u0661".encode()])
def test_a_foreign_sequence_that_is_no_number_is_left_aside(sequence: bytes) -> None:
    assert decode(b"{}", [*FOREIGN, ("ce_sequence", sequence)]).sequence is None


@pytest.mark.parametrize("sequence", [b"abc", b"-1", b"", b"9" * 20])
def test_a_sequence_of_ours_that_is_no_number_is_undecodable(sequence: bytes) -> None:
    assert "sequence" in reason_of(b"{}", [*without("ce_source"), ("ce_source", b"/klaster/events/event"), ("ce_sequence", sequence)])


@pytest.mark.parametrize("name", ["ce_id", "ce_correlationid"])
def test_an_attribute_that_would_outgrow_our_own_messages_is_undecodable(name: str) -> None:
    assert "longer" in reason_of(b"{}", [*without(name), (name, b"x" * (LONGEST_ATTRIBUTE + 1))])


def test_no_reason_repeats_what_the_message_says() -> None:
    secret = b"anna@example.org"
    for name in ("ce_specversion", "ce_time", "ce_recordedtime"):
        assert "anna" not in reason_of(b"{}", [*without(name), (name, secret)])
    assert "anna" not in reason_of(b"{}", [*FOREIGN, ("ce_id", secret)])
