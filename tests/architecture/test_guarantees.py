"""Each promise in the guarantees names a test that exists; a promise whose test was renamed away is found here."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUARANTEES = ROOT / "docs" / "architecture" / "guarantees.md"


def named_tests(text: str) -> list[tuple[str, str]]:
    found, file = [], ""
    for given, name in re.findall(r"`(test_\w+\.py)?::(test_\w+)`", text):
        file = given or file
        found.append((file, name))
    return found


def test_every_test_that_a_promise_names_exists() -> None:
    named = named_tests(GUARANTEES.read_text(encoding="utf-8"))
    assert len(named) > 10
    suites = [path for folder in ("shared", "services", "deploy", "tests") for path in (ROOT / folder).rglob("test_*.py")]
    defined = {(path.name, name) for path in suites for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))}
    assert [pair for pair in named if pair not in defined] == []


def test_every_row_of_the_promises_names_a_test() -> None:
    rows = [line for line in GUARANTEES.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert [row for row in rows if "::test_" not in row] == []
