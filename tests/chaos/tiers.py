"""The two tiers: all rows on one system in minutes, or each row on a system of its own for as long as it takes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.chaos.engines import System, embedded_system
from tests.chaos.ledger import Ledger
from tests.chaos.results import Result
from tests.chaos.running import Judge, Row, Say, run_row


@dataclass(frozen=True, slots=True)
class Arena:
    """A system, and the memory of all that was asked of it."""

    system: System
    ledger: Ledger
    judge: Judge

    async def run(self, row: Row, *, tier: str, seed: int, say: Say) -> Result:
        """Raises what `run_row` raises, on a system that has been made whole for the next row."""
        try:
            return await run_row(row, self.system, self.judge, self.ledger, tier=tier, seed=seed, say=say)
        except Exception:
            await self.system.repair()
            raise


@asynccontextmanager
async def embedded_arena() -> AsyncIterator[Arena]:
    async with embedded_system() as system:
        with Ledger(system.folder / "ledger.jsonl") as ledger:
            yield Arena(system, ledger, Judge(ledger, system))


async def run_apart(rows: Sequence[Row], *, tier: str, seed: int, say: Say) -> AsyncIterator[Result]:
    """Each row on engines of its own: one after the other, because figures of rows side by side would be of both."""
    for row in rows:
        say(f"{row.id}: {row.words} ({tier}, --chaos-seed {seed})")
        async with embedded_arena() as arena:
            yield await arena.run(row, tier=tier, seed=seed, say=say)
