from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from klaster_local.failures import WrongUsage
from klaster_local.tailing import HIDDEN, Seen, name_of, seen, topics_like
from klaster_local.tailing_view import document_of, line_of
from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import LocalisedText
from klaster_shared.contracts.events import EventBrief, RegistrationConfirmed
from klaster_shared.contracts.registry import enclose

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BRIEF = EventBrief(
    title=LocalisedText(pl="Warsztat", en="Workshop"), starts_at=NOW, ends_at=NOW, time_zone="Europe/Warsaw", place="Kraków", sequence=3
)
CONFIRMED = RegistrationConfirmed(
    registration_id=UUID(int=1),
    event_id=UUID(int=2),
    event=BRIEF,
    name="ZIN member 01",
    email="zin.01@team.example.org",
    locale="pl",
    organisation_id=None,
    from_waitlist=False,
)
ENVELOPE = enclose(CONFIRMED, id=UUID(int=3), time=NOW, recorded_time=NOW, sequence=1)


class Record:
    """As confluent_kafka gives it."""

    def __init__(self, value: bytes | None, headers: list[tuple[str, bytes]], topic: str = topics.EVENTS_REGISTRATION) -> None:
        self._value, self._headers, self._topic = value, headers, topic

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return self._headers

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 4

    def offset(self) -> int:
        return 17

    def timestamp(self) -> tuple[int, int]:
        return 1, int(NOW.timestamp() * 1000)


def look(record: Record, *, show_personal: bool = False) -> Seen:
    return seen(record, show_personal=show_personal)


def test_people_are_hidden_by_the_mark_on_their_fields() -> None:
    found = look(Record(ENVELOPE.data, ENVELOPE.headers()))
    assert found.body is not None
    assert (found.body["name"], found.body["email"], found.body["locale"]) == (HIDDEN, HIDDEN, "pl")
    assert "zin.01" not in line_of(found).plain
    assert "zin.01" not in str(document_of(found))


def test_people_are_shown_when_they_are_asked_for() -> None:
    assert "zin.01@team.example.org" in line_of(look(Record(ENVELOPE.data, ENVELOPE.headers()), show_personal=True)).plain


def test_a_message_is_one_line_with_type_subject_and_number() -> None:
    line = line_of(look(Record(ENVELOPE.data, ENVELOPE.headers()))).plain
    assert "\n" not in line
    assert "events" in line
    assert "RegistrationConfirmed" in line
    assert "#1" in line
    assert "title=Workshop" in line


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (Record(None, []), "tombstone"),
        (Record(b"hello", []), "specversion is missing"),
        (Record(b"not json", ENVELOPE.headers()), "not JSON"),
        (Record(b'{"name": "Somebody"}', ENVELOPE.headers()), "breaks the schema"),
    ],
)
def test_what_is_no_good_message_is_shown_as_such_and_never_by_its_content(record: Record, words: str) -> None:
    line = line_of(look(record)).plain
    assert words in line
    assert "Somebody" not in line


def test_a_type_that_nobody_knows_is_shown_by_its_size_alone() -> None:
    headers = [(name, b"org.example.Strange.v9" if name == "ce_type" else value) for name, value in ENVELOPE.headers()]
    found = look(Record(b'{"secret": "thing"}', headers))
    assert (found.type, found.body) == ("org.example.Strange.v9", None)
    assert "unknown here, 19 bytes" in line_of(found).plain


def test_the_document_says_where_the_record_lies_and_what_it_says() -> None:
    document = document_of(look(Record(ENVELOPE.data, ENVELOPE.headers())))
    place: dict[str, Any] = {name: document[name] for name in ("topic", "partition", "offset", "sequence", "subject")}
    assert place == {"topic": topics.EVENTS_REGISTRATION, "partition": 4, "offset": 17, "sequence": 1, "subject": str(UUID(int=1))}
    assert document["data"]["from_waitlist"] is False


def test_types_have_short_names() -> None:
    assert name_of("pl.lifescience.events.EventApproved.v1") == "EventApproved"
    assert name_of("com.example.Thing") == "com.example.Thing"


def test_topics_are_chosen_by_a_part_of_their_name() -> None:
    assert topics_like("commitment") == (topics.BUDGET_COMMITMENT,)
    assert set(topics_like(None)) == set(topics.TOPICS)
    with pytest.raises(WrongUsage, match="No topic is called like 'invoices'"):
        topics_like("invoices")
