from datetime import UTC, datetime, timedelta

import pytest

from klaster_events.domain.schedule import Schedule
from klaster_events.testing import NOON, a_schedule
from klaster_shared.errors import Invalid


def test_an_event_is_read_off_the_clock_of_its_own_zone() -> None:
    schedule = a_schedule(datetime(2011, 9, 12, 7, tzinfo=UTC), time_zone="Europe/Paris")

    assert schedule.local_start.isoformat() == "2011-09-12T09:00:00+02:00"


@pytest.mark.parametrize("zone", ["Europe/Cracow", "europe/warsaw", "", "Factory", "localtime", "../etc/passwd", "CEST", "+02:00"])
def test_a_zone_that_iana_does_not_know_is_refused(zone: str) -> None:
    with pytest.raises(Invalid) as refusal:
        a_schedule(time_zone=zone)

    assert refusal.value.field == "time_zone"


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "UTC", "Asia/Kathmandu", "America/Argentina/Buenos_Aires"])
def test_a_zone_of_iana_is_taken(zone: str) -> None:
    assert a_schedule(time_zone=zone).time_zone == zone


@pytest.mark.parametrize("length", [timedelta(0), -timedelta(seconds=1)])
def test_an_event_cannot_end_before_or_as_it_starts(length: timedelta) -> None:
    with pytest.raises(Invalid) as refusal:
        Schedule(starts_at=NOON, ends_at=NOON + length, time_zone="UTC")

    assert refusal.value.field == "ends_at"


@pytest.mark.parametrize("starts_at", [datetime(1969, 12, 31, 23, tzinfo=UTC), datetime(9999, 12, 31, 12, tzinfo=UTC)])
def test_an_event_beyond_the_reach_of_calendars_is_refused(starts_at: datetime) -> None:
    with pytest.raises(Invalid):
        a_schedule(starts_at, hours=1)
