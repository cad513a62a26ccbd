"""The rows of the fault table that are about the network, through Toxiproxy and on containers."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.chaos.contained import contained_arena
from tests.chaos.outages import CUTS, Partitioned
from tests.chaos.rows import BY_ID
from tests.chaos.running import SHORT, Row, Size, quiet
from tests.chaos.tiers import Arena

pytestmark = [pytest.mark.e2e, pytest.mark.containers, pytest.mark.chaos]

WITHOUT_HALF_OPEN = [how for how in CUTS if how != "half-open"]
PARTITIONED = replace(
    BY_ID["F10"],
    fault=lambda: Partitioned(short=1, long=20, cuts=WITHOUT_HALF_OPEN),
    sizes={SHORT: Size(injections=2 * len(WITHOUT_HALF_OPEN), rate=10.0)},
)


@pytest.fixture(scope="module")
async def contained() -> AsyncIterator[Arena]:
    async with contained_arena() as arena:
        yield arena


@pytest.mark.parametrize("row", [BY_ID["F9"], PARTITIONED], ids=lambda row: row.id)
async def test_a_broken_network_leaves_nothing_lost_doubled_reordered_stuck_or_unexplained(contained: Arena, row: Row, chaos_seed: int) -> None:
    result = await contained.run(row, tier=SHORT, seed=chaos_seed, say=quiet)
    assert result.passed, f"--chaos-seed {chaos_seed}\n" + "\n".join(result.complaints())
