"""`python -m tests.chaos`: the long tier. Each row runs on engines of its own, and its result is kept at once.

python -m tests.chaos                       every row, as long as it takes
python -m tests.chaos --row F1 --row F3     these rows
python -m tests.chaos --tier short          the amounts of the suite's tier
python -m tests.chaos --chaos-seed 17       the choices of an earlier run again
python -m tests.chaos --page                only write docs/reliability.md from docs/reliability.json
"""

import argparse
import asyncio
import json
import secrets
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from tests.chaos.engines import ROOT
from tests.chaos.page import PAGE, RECORD, write_page
from tests.chaos.peers.running import PEERS, run_peers
from tests.chaos.results import Machine, Record, Result, now
from tests.chaos.rows import BY_ID, ROWS
from tests.chaos.running import LONG, SHORT, Row, progress
from tests.chaos.tiers import run_apart

KEPT: Final = ROOT / ".klaster" / "chaos"
PEERS_ROW: Final = "PEERS"


def main() -> int:
    """0: every row passed; 1: one did not; 2: wrong usage."""
    given = _arguments()
    if given.page:
        write_page(Record.read(RECORD), PAGE)
        return 0
    seed = given.chaos_seed if given.chaos_seed is not None else secrets.randbelow(2**31)
    names = given.row or [*BY_ID, PEERS_ROW]
    progress(f"rows {' '.join(names)}, tier {given.tier}, --chaos-seed {seed}")
    passed = asyncio.run(_rows([BY_ID[name] for name in names if name != PEERS_ROW], given.tier, seed, keep=given.tier == LONG and not given.dry))
    if PEERS_ROW in names:
        asyncio.run(_peers(given.tier, seed, keep=given.tier == LONG and not given.dry))
    return 0 if passed else 1


async def _rows(rows: Sequence[Row], tier: str, seed: int, *, keep: bool) -> bool:
    results: list[Result] = []
    broken: list[str] = []
    for row in rows:
        try:
            async for result in run_apart([row], tier=tier, seed=seed, say=progress):
                results.append(result)
                _kept(result, keep=keep)
                progress(_line(result))
        except Exception:  # noqa: BLE001 - a row that cannot be run is a row that has not passed; the others are worth hours
            broken.append(row.id)
            progress(f"{row.id} could not be run to its end\n{traceback.format_exc()}")
    print("\n" + "\n".join([_line(result) for result in results] + [f"{name:6} could not be run to its end" for name in broken]), flush=True)
    for result in results:
        for complaint in result.complaints() if not result.passed else ():
            print(complaint, flush=True)
    return not broken and all(result.passed for result in results)


async def _peers(tier: str, seed: int, *, keep: bool) -> None:
    """How others fare is no test of ours: their figures are kept, whatever they are."""
    found = await run_peers(PEERS, long=tier == LONG, seed=seed, say=progress)
    if keep:
        record = Record.read(RECORD)
        record.peers |= {f"{each.peer} | {each.fault}": asdict(each) for each in found}
        record.write(RECORD)
        write_page(record, PAGE)
    for each in found:
        print(
            f"{each.peer} | {each.fault}: lost {each.lost}, duplicated {each.duplicated}, reordered {each.reordered} of {each.messages}", flush=True
        )


def _kept(result: Result, *, keep: bool) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    name = f"{result.row}-{result.tier}-{now().replace(':', '')}.json"
    (KEPT / name).write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if keep:
        record = Record.read(RECORD)
        record.add([result], Machine.this(ROOT))
        record.write(RECORD)
        write_page(record, PAGE)


def _line(result: Result) -> str:
    found = " ".join(f"{name} {count}" for name, count in result.verdict.items())
    state = "passed" if result.passed else "FAILED"
    return f"{result.row:6} {state:6} injected {result.injections}, reached {result.reached} | {found} | {result.seconds:g} s"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Faults on real processes and engines, row by row.")
    parser.add_argument("--row", action="append", choices=[*(row.id for row in ROWS), PEERS_ROW], help="only this row; may be repeated")
    parser.add_argument("--tier", choices=[SHORT, LONG], default=LONG)
    parser.add_argument("--chaos-seed", type=int)
    parser.add_argument("--dry", action="store_true", help="leave docs/reliability.* as they are")
    parser.add_argument("--page", action="store_true", help="only write the page from the kept results")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
