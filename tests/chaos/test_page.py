"""docs/reliability.md is made, not written."""

from dataclasses import replace

import pytest

from tests.chaos.engines import ROOT
from tests.chaos.page import PAGE, RECORD, page_of
from tests.chaos.results import Machine, Record, Result
from tests.chaos.rows import ROWS

CLEAN = {"lost": 0, "duplicated": 0, "reordered": 0, "stuck": 0, "unexplained": 0}
RESULT = Result(
    row="F1",
    fault=ROWS[0].words,
    tier="long",
    seed=7,
    began="2026-01-01T00:00:00+00:00",
    seconds=61.0,
    injections=500,
    reached=500,
    verdict=CLEAN,
    checks={"kept": True},
    figures={"first publish after a restart max (s)": 1.25},
    load={"commands/s": 12.0, "commands": 1000},
)


@pytest.fixture
def record() -> Record:
    record = Record()
    record.add([RESULT], Machine.this(ROOT))
    return record


def test_the_page_is_what_the_record_makes_of_it() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_of(Record.read(RECORD)), "make reliability"


def test_a_row_shows_what_was_injected_reached_and_found(record: Record) -> None:
    assert "| 500 | 500 | 0 | 0 | 0 | 0 | 0 | 1 of 1 | 61 s |" in page_of(record)


def test_a_row_shows_its_figures_with_seed_and_commit(record: Record) -> None:
    page = page_of(record)
    assert "| first publish after a restart max (s) | 1.25 |" in page
    assert "seed 7" in page
    assert f"commit {record.rows['F1']['commit']}" in page


def test_a_row_that_never_ran_is_shown_as_such(record: Record) -> None:
    assert page_of(record).count("not run yet") == len(ROWS) - 1


def test_a_broken_promise_is_shown_and_not_hidden(record: Record) -> None:
    record.add([replace(RESULT, checks={"first publish within 2 s of a restart": False})], Machine.this(ROOT))
    assert "**Not kept:**\n- first publish within 2 s of a restart" in page_of(record)


def test_a_row_passes_only_when_each_injection_was_reached_and_nothing_was_found() -> None:
    assert RESULT.passed
    assert not replace(RESULT, reached=499).passed
    assert not replace(RESULT, verdict={**CLEAN, "lost": 1}).passed
    assert not replace(RESULT, checks={"kept": False}).passed
    assert not replace(RESULT, injections=0, reached=0).passed
