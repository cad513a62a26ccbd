import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.events import EventCancelled, RegistrationConfirmed
from klaster_shared.contracts.registry import MessageType, all_messages, message, type_of_model
from klaster_shared.contracts.schemas import compare, file_name, main, schema_of, write

CANCELLED = type_of_model(EventCancelled)
NAME = "events.EventCancelled.1.json"


def like_event_cancelled(**annotations: Any) -> MessageType:
    """A model of today in the place of the committed EventCancelled."""
    model = type("EventCancelled", (Message,), {"__annotations__": annotations, "__module__": __name__})
    return replace(CANCELLED, model=model)


def test_a_schema_names_its_dialect_and_its_urn() -> None:
    schema = schema_of(CANCELLED)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "urn:klaster:schema:events.EventCancelled:1"


def test_personal_fields_are_marked() -> None:
    properties = schema_of(type_of_model(RegistrationConfirmed))["properties"]
    assert {name for name, schema in properties.items() if schema.get("x-personal")} == {"name", "email"}


def test_files_are_named_after_service_message_and_version() -> None:
    assert file_name(CANCELLED) == NAME


def test_what_was_written_is_up_to_date(tmp_path: Path) -> None:
    write(tmp_path, all_messages())
    report = compare(tmp_path, all_messages())
    assert (report.outdated, report.breaking) == ((), ())


def test_a_missing_file_is_outdated_but_breaks_nothing(tmp_path: Path) -> None:
    report = compare(tmp_path, [CANCELLED])
    assert (report.outdated, report.breaking) == ((NAME,), ())


def test_an_additive_change_is_recorded(tmp_path: Path) -> None:
    write(tmp_path, [like_event_cancelled(event_id=UUID)])

    @message(topics.EVENTS_EVENT, subject="event_id")
    class EventCancelled(Message):
        event_id: UUID
        reason: str | None = None

    report = write(tmp_path, [type_of_model(EventCancelled)])
    assert report.outdated == (NAME,)
    assert "reason" in json.loads((tmp_path / NAME).read_text())["properties"]


def test_a_breaking_change_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    write(tmp_path, [CANCELLED])
    before = (tmp_path / NAME).read_text()
    report = write(tmp_path, [like_event_cancelled(event_id=UUID)])
    assert [sentence for sentence in report.breaking if sentence.startswith(f"{NAME}: reason: ")]
    assert (tmp_path / NAME).read_text() == before


def test_a_schema_that_no_message_has_any_more_is_a_broken_promise(tmp_path: Path) -> None:
    write(tmp_path, [CANCELLED])
    assert compare(tmp_path, []).breaking == (f"{NAME}: no message has this schema any more",)


def test_the_command_line_writes_then_finds_nothing_to_complain_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--directory", str(tmp_path)]) == 1
    assert main(["--write", "--directory", str(tmp_path)]) == 0
    assert f"written  {NAME}" in capsys.readouterr().out
    assert main(["--check", "--directory", str(tmp_path)]) == 0


def test_the_command_line_refuses_a_broken_promise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--write", "--directory", str(tmp_path)])
    (tmp_path / "events.EventPostponed.1.json").write_text("{}")
    assert main(["--write", "--directory", str(tmp_path)]) == 1
    assert "breaking  events.EventPostponed.1.json" in capsys.readouterr().out
