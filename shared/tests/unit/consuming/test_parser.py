"""Records as strangers write them: whatever is in one, it is read as far as it can be."""

from types import SimpleNamespace
from typing import Any

import pytest

from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.parser import raw_record, read
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.contracts.registry import type_of_model
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import a_record

HEARS_NOTHING = Consumer(name="c", topics=("t",), handlers={})


def record(**given: Any) -> Any:
    key, value, headers = a_record("x", new_id())
    fields = {"topic": "t", "partition": 0, "offset": 0, "timestamp": 0, "key": key, "headers": headers, "value": value}
    return SimpleNamespace(**fields | given)


@pytest.mark.parametrize("timestamp", [-1, 0, 2**63 - 1])
def test_any_timestamp_is_an_instant(timestamp: int) -> None:
    assert raw_record(record(timestamp=timestamp)).logged_at.tzinfo is not None


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{}", b"[" * 100_000, b'{"name":' * 1000, b"1e999", b'"\\ud800"', b'{"a":1,"a":2}'])
def test_no_value_makes_reading_raise(value: bytes | None) -> None:
    async def handle(message: NetworkRegistered, work: Any) -> None: ...

    hears_it = Consumer(name="c", topics=("t",), handlers={type_of_model(NetworkRegistered).ce_type: handle})
    assert read(raw_record(record(value=value)), hears_it).verdict is not None


def test_what_nobody_here_hears_is_neither_parked_nor_read() -> None:
    incoming = read(raw_record(record(value=b"no json")), HEARS_NOTHING)
    assert (incoming.verdict, incoming.handler, incoming.message) == (None, None, None)
