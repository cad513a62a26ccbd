from io import StringIO

import pytest
from rich.console import Console

from klaster_local.phases import Phases
from klaster_local.supervising.record import PhaseRecord


@pytest.fixture
def out() -> StringIO:
    return StringIO()


@pytest.fixture
def phases(out: StringIO) -> Phases:
    return Phases(Console(file=out, width=100))


def test_a_phase_is_one_line_when_it_has_ended(phases: Phases, out: StringIO) -> None:
    with phases.shown(), phases.phase("seed") as phase:
        phase.note = "78 organisations added"
        assert out.getvalue() == ""
    assert out.getvalue().split() == ["✓", "0.0", "s", "seed", "78", "organisations", "added"]


def test_what_the_supervisor_says_is_told_once(phases: Phases, out: StringIO) -> None:
    running, ended = PhaseRecord(name="Kafka"), PhaseRecord(name="Kafka", seconds=2.5)
    for record in (running, ended, ended):
        phases.follow([record])
    assert out.getvalue().count("Kafka") == 1
    assert phases.durations() == {"Kafka": 2.5}


def test_a_phase_that_fails_is_not_shown_as_done(phases: Phases, out: StringIO) -> None:
    with pytest.raises(RuntimeError), phases.phase("seed"):
        raise RuntimeError
    assert out.getvalue() == ""
