from datetime import UTC, datetime, timedelta

import pytest

from klaster_shared.testing.fakes import FixedClock

NOON = datetime(2012, 3, 1, 12, tzinfo=UTC)


def test_a_fixed_clock_stands_still() -> None:
    clock = FixedClock(NOON)
    assert (clock.now(), clock.now()) == (NOON, NOON)


def test_a_fixed_clock_moves_when_told() -> None:
    clock = FixedClock(NOON)
    clock.advance(timedelta(hours=1))
    assert clock.now() == datetime(2012, 3, 1, 13, tzinfo=UTC)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(NOON.replace(tzinfo=None))
