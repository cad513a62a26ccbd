from datetime import timedelta

import pytest

from klaster_events.settings import EventsSettings
from klaster_shared.settings import SettingsError

NOWHERE = "postgresql://events@localhost/events"


def test_budget_has_five_minutes_to_answer_unless_told_otherwise() -> None:
    assert EventsSettings.load(database_url=NOWHERE).answer_within == timedelta(minutes=5)


def test_the_time_to_answer_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTS_APPROVAL_ANSWER_SECONDS", "90")

    assert EventsSettings.load(database_url=NOWHERE).answer_within == timedelta(seconds=90)


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(SettingsError, match="EVENTS_APPROVAL_ANSWER_SECONDS"):
        EventsSettings.load(database_url=NOWHERE, approval_answer_seconds=0)
