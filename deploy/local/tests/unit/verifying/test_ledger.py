import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from klaster_local.verifying import CannotLook
from klaster_local.verifying.ledger import read_ledger

RESOURCE = "01980000-0000-7000-8000-000000000001"


def a_line(**fields: Any) -> str:
    line = {"service": "events", "method": "POST", "path": "/v1/events", "key": "k", "status": 201, "answer": {"id": RESOURCE}, "etag": 'W/"3"'}
    return json.dumps(line | fields)


def test_a_line_is_a_command_with_its_resource_and_version(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text(a_line() + "\n")
    (command,) = read_ledger(tmp_path / "ledger")
    assert (command.resource, command.version, command.acknowledged) == (UUID(RESOURCE), 3, True)


def test_an_answer_without_an_id_has_no_resource(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text(a_line(status=409, answer={"type": "/problems/conflict"}, etag=None) + "\n")
    (command,) = read_ledger(tmp_path / "ledger")
    assert (command.resource, command.version, command.refused) == (None, None, True)


def test_a_last_line_that_was_cut_off_is_no_line(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text(a_line() + "\n" + a_line()[:40])
    assert len(read_ledger(tmp_path / "ledger")) == 1


@pytest.mark.parametrize("text", ["no JSON\n", '{"service": "events"}\n', "[]\n"])
def test_what_is_no_ledger_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ledger").write_text(text)
    with pytest.raises(CannotLook, match="none of a ledger"):
        read_ledger(tmp_path / "ledger")


def test_a_ledger_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotLook, match="cannot be read"):
        read_ledger(tmp_path / "ledger")
