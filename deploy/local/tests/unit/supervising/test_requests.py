import signal
from collections.abc import Iterator
from os import getpid
from pathlib import Path

import pytest

from klaster_local.supervising.requests import ask_restart, take_requests


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals this process was sent, in place of a supervisor."""
    signals: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: signals.append(number))
    yield signals
    signal.signal(signal.SIGHUP, before)


def test_a_request_is_there_before_its_signal_and_is_taken_once(tmp_path: Path, heard: list[int]) -> None:
    ask_restart(tmp_path, getpid(), "budget")
    assert heard == [signal.SIGHUP]
    assert take_requests(tmp_path) == ["budget"]
    assert take_requests(tmp_path) == []


def test_nobody_has_asked_for_anything_in_a_new_folder(tmp_path: Path) -> None:
    assert take_requests(tmp_path) == []
