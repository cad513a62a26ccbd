import pytest
from pydantic import TypeAdapter, ValidationError

from klaster_events.api.bounds import Since, Until

since, until = (TypeAdapter(kind).validate_python for kind in (Since, Until))


def test_a_day_means_the_whole_day_in_warsaw() -> None:
    assert since("2011-09-12").isoformat() == "2011-09-11T22:00:00+00:00"
    assert until("2011-09-12").isoformat() == "2011-09-12T22:00:00+00:00"


def test_an_instant_is_taken_as_it_is() -> None:
    assert since("2011-09-12T09:00:00+02:00") == until("2011-09-12T07:00:00Z")


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "9999-12-31"])
def test_a_day_beyond_all_calendars_is_no_failure(day: str) -> None:
    assert since(day) <= until(day)


@pytest.mark.parametrize("text", ["", "today", "2011-13-01", "2011-09-12T09:00:00", "1315810800", "20110912"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        since(text)
