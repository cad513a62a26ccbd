"""A published event makes its commitment firm. No sum changes."""

from dataclasses import dataclass

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.ids import EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmCommitments:
    event: EventId


async def confirm_commitments(command: ConfirmCommitments, work: BudgetWork) -> list[Commitment]:
    """Those that this publication has confirmed."""
    confirmed = []
    for grant in await work.commitments.open_lines(command.event):
        await work.ledgers.lock(grant)
        for commitment in await work.commitments.open_of(command.event, grant):
            commitment.confirm(at=work.now)
            if commitment.is_changed:
                await work.commitments.save(commitment)
                confirmed.append(commitment)
    return confirmed
