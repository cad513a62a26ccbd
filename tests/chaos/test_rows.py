"""The fault table's short tier: every row, a few injections each, on one system."""

import json
from dataclasses import asdict

import pytest

from tests.chaos.engines import ROOT
from tests.chaos.rows import ROWS
from tests.chaos.running import SHORT, Row, quiet
from tests.chaos.tiers import Arena

pytestmark = [pytest.mark.e2e, pytest.mark.embedded, pytest.mark.chaos]

KEPT = ROOT / ".klaster" / "chaos"
THE_FAULT_TABLE = {
    *("F1", "F2", "F3", "F4", "F5", "F8", "F9", "F10", "F11", "F12", "F13", "F14", "F15", "F16", "F18", "F19", "F21", "F23", "F24", "F26"),
    "KILLS",
}


def test_no_row_of_the_fault_table_is_missing() -> None:
    assert {row.id for row in ROWS} == THE_FAULT_TABLE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
async def test_a_fault_leaves_nothing_lost_doubled_reordered_stuck_or_unexplained(arena: Arena, row: Row, chaos_seed: int) -> None:
    """`--chaos-seed` with the seed of a failure makes the same choices again."""
    result = await arena.run(row, tier=SHORT, seed=chaos_seed, say=quiet)
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{row.id}-{SHORT}.json").write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    assert result.passed, f"--chaos-seed {chaos_seed}\n" + "\n".join(result.complaints())
