from datetime import timedelta

import asyncpg
import pytest

from klaster_shared.clock import SystemClock
from klaster_shared.consuming.parking import LONGEST_GATE_KEY, RawRecord, State, headers_from_text, headers_to_text, sanitised
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.retrying import pause_after
from klaster_shared.consuming.verdicts import is_worth_repeating, verdict_on
from klaster_shared.errors import Invalid, NotFound, Refused, StaleVersion, Unavailable


@pytest.mark.parametrize(
    "error", [Refused("no"), Invalid("name", "too long"), asyncpg.NotNullViolationError("x"), asyncpg.NumericValueOutOfRangeError("x")]
)
def test_what_repeating_cannot_mend_is_held(error: Exception) -> None:
    assert not is_worth_repeating(error)
    assert verdict_on(error).state is State.HELD


@pytest.mark.parametrize("error", [NotFound("grant", "x"), ZeroDivisionError(), KeyError("x"), asyncpg.UndefinedTableError("x")])
def test_a_missing_precondition_and_every_unclassified_failure_is_tried_later(error: Exception) -> None:
    assert not is_worth_repeating(error)
    assert verdict_on(error).state is State.DUE


@pytest.mark.parametrize(
    "error",
    [
        StaleVersion("x", 1),
        Unavailable("x"),
        asyncpg.DeadlockDetectedError("x"),
        asyncpg.SerializationError("x"),
        asyncpg.UniqueViolationError("x"),
        asyncpg.ConnectionDoesNotExistError("x"),
        asyncpg.InterfaceError("x"),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
def test_what_may_succeed_within_the_second_is_repeated_and_then_tried_later(error: Exception) -> None:
    assert is_worth_repeating(error)
    assert verdict_on(error).state is State.DUE


def test_the_kept_error_text_holds_no_values_of_the_failure() -> None:
    error = asyncpg.CheckViolationError("Failing row contains (Anna, anna@example.org)")
    assert "anna" not in (verdict_on(error).error or "").lower()
    assert "secret" not in (verdict_on(ValueError("secret")).error or "")


def test_pauses_double_from_a_second_to_an_hour() -> None:
    assert [pause_after(n) for n in (1, 2, 3)] == [timedelta(seconds=s) for s in (1, 2, 4)]
    assert pause_after(13) == pause_after(500) == timedelta(hours=1)


def test_headers_keep_order_duplicates_nulls_and_bytes() -> None:
    headers = [("a", b"\xff"), ("a", None), ("b", b"")]
    assert headers_from_text(headers_to_text(headers)) == headers


def test_error_text_is_cut_and_free_of_control_characters() -> None:
    assert sanitised("a\0b\nc") == "a b c"
    assert len(sanitised("x" * 5000)) == 2000


def test_a_key_too_long_for_an_index_is_gated_by_its_digest() -> None:
    def gate(key: bytes | None) -> bytes | None:
        return RawRecord(partition=Partition("t", 0), offset=0, logged_at=SystemClock().now(), key=key, headers=(), value=b"").gate_key

    assert gate(None) is None
    assert gate(b"k") == b"k"
    long = gate(b"k" * 5000)
    assert long is not None
    assert len(long) < LONGEST_GATE_KEY
    assert long != gate(b"l" * 5000)
