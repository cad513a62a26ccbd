"""An approved event asks for its costs; the budget answers once per approval."""

from dataclasses import dataclass

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.ids import CommitmentId
from klaster_budget.domain.requests import CommitmentRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveCommitment:
    commitment: CommitmentId
    request: CommitmentRequest


async def reserve_commitment(command: ReserveCommitment, work: BudgetWork) -> Commitment | None:
    """The answer, a reservation or a refusal; None when this approval has been answered before."""
    request = command.request
    ledger = await work.ledgers.locked_if_known(request.grant)
    if await work.commitments.answered(request.event, request.approval):
        return None
    commitment = Commitment.answering(command.commitment, request, ledger, at=work.now)
    await work.commitments.save(commitment)
    if ledger is not None:
        await work.ledgers.save(ledger)
    return commitment
