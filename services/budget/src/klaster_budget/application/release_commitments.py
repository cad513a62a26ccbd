"""An event that is cancelled, or whose approval has lapsed, gives back what was reserved for it and not consumed."""

from dataclasses import dataclass

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.ids import ApprovalId, EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCommitments:
    """Everything that is open for the event or, with `approval`, only what was reserved for that one."""

    event: EventId
    approval: ApprovalId | None = None


async def release_commitments(command: ReleaseCommitments, work: BudgetWork) -> list[Commitment]:
    """Those that had something open."""
    released = []
    for grant, lines in (await work.commitments.open_lines(command.event)).items():
        ledger = await work.ledgers.get(grant, lines)
        for commitment in await work.commitments.open_of(command.event, grant):
            if command.approval in {None, commitment.approval}:
                commitment.release(ledger, at=work.now)
                await work.commitments.save(commitment)
                released.append(commitment)
        await work.ledgers.save(ledger)
    return released
