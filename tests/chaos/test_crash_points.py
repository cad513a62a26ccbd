import pytest

from klaster_shared.crash_points import CrashPoint
from tests.chaos.points import EVERY_POINT, ROUNDS
from tests.chaos.running import SHORT, quiet
from tests.chaos.tiers import Arena


def test_every_point_has_a_process_that_gets_there() -> None:
    assert {point for points in ROUNDS for point in points.values()} == set(CrashPoint)


@pytest.mark.e2e
@pytest.mark.embedded
@pytest.mark.chaos
async def test_a_process_that_dies_at_a_named_point_leaves_nothing_lost_doubled_reordered_stuck_or_unexplained(arena: Arena, chaos_seed: int) -> None:
    """Real processes under load: each point is reached, its process comes back, and the verifier finds nothing."""
    result = await arena.run(EVERY_POINT, tier=SHORT, seed=chaos_seed, say=quiet)
    assert result.passed, f"--chaos-seed {chaos_seed}\n" + "\n".join(result.complaints())
