# ruff: noqa: T201 - it speaks to whoever started it
"""`python -m klaster_shared.testing.simulation --seeds 100000`: long runs, on every core, with a line for each broken seed."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from klaster_shared.testing.simulation.world import Verdict, simulate

AT_ONCE = 50


def main() -> int:
    """Exit status 1 when a seed broke a promise; the schedule of the first one is printed."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100_000, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    asked = parser.parse_args()
    begun = time.monotonic()
    seeds = range(asked.first, asked.first + asked.seeds)
    with ProcessPoolExecutor(asked.workers) as pool:
        broken = [verdict for verdict in pool.map(_verdict, seeds, chunksize=AT_ONCE) if _is_broken(verdict)]
    print(f"{len(seeds)} seeds from {asked.first} in {time.monotonic() - begun:.0f} s, {len(broken)} broken")
    if broken:
        print(*simulate(broken[0].seed, record=True).schedule, sep="\n")
    return 1 if broken else 0


def _verdict(seed: int) -> Verdict:
    return simulate(seed)


def _is_broken(verdict: Verdict) -> bool:
    if verdict.broken:
        print(verdict, flush=True)
    return bool(verdict.broken)


if __name__ == "__main__":
    sys.exit(main())
