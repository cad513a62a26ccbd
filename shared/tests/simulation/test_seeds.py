"""Two processes, a database and a broker that fail as a seed says; at the end everything that was promised is there."""

import os
import subprocess
import sys

import pytest

from klaster_shared.testing.simulation.hazards import CALM, Crash, Freeze
from klaster_shared.testing.simulation.world import Verdict, simulate

CALM_SEED = 1
PARTS = 8
"""So that workers can share them."""


def complain(broken: Verdict) -> None:
    """Fails with the schedule of what went wrong: the same seed gives the same run."""
    schedule = "\n".join(simulate(broken.seed, record=True).schedule)
    pytest.fail(f"{broken}\n{schedule}\nagain: pytest shared/tests/simulation -k every_promise --simulation-seed {broken.seed}", pytrace=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_is_kept_whatever_goes_wrong(seeds: range, part: int) -> None:
    for seed in seeds[part::PARTS]:
        verdict = simulate(seed)
        if verdict.broken:
            complain(verdict)


def test_what_can_go_wrong_goes_wrong() -> None:
    """The test of the test above: hazards that never strike prove nothing."""
    seen: set[str] = set()
    for seed in range(60):
        seen |= simulate(seed).happened.keys()
    assert seen >= {
        "crash",
        "process frozen",
        "connection lost",
        "statement cancelled",
        "acknowledgement lost",
        "client thrown back or forth",
        "database restarted",
        "broker away",
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_single_await_breaks_no_promise(after: bool) -> None:  # noqa: FBT001 - of its effect
    """Otherwise nothing goes wrong: every await of the run, and after every one that has an effect."""
    awaits, struck = simulate(CALM_SEED, rates=CALM).awaits, 0
    for at in range(1, awaits + 1):
        verdict = simulate(CALM_SEED, rates=CALM, blow=Crash(at, after=after))
        assert not verdict.broken, f"await {at}: {verdict}"
        struck += verdict.happened == {"crash": 1}
    assert struck > (awaits // 2 if after else awaits - 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_zombie_since_any_single_await_breaks_no_promise() -> None:
    """Its process stands still until it has been put out of its group, and goes on where it was."""
    for at in range(1, simulate(CALM_SEED, rates=CALM).awaits + 1):
        verdict = simulate(CALM_SEED, rates=CALM, blow=Freeze(at))
        assert not verdict.broken, f"await {at}: {verdict}"


def test_the_same_seed_is_the_same_run_in_another_interpreter() -> None:
    """Whatever order its sets have."""
    asked = "from klaster_shared.testing.simulation.world import simulate; print(*simulate(7, record=True).schedule, sep='\\n')"
    runs = [
        subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": salt}).stdout
        for salt in ("1", "2")
    ]
    assert len(runs[0]) > 1000
    assert runs[0] == runs[1]
