"""An approved event asks for its costs; the budget answers once per approval. The request is the command."""

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.ids import CommitmentId
from klaster_budget.domain.requests import CommitmentRequest
from klaster_shared.ids import new_id


async def reserve_commitment(request: CommitmentRequest, work: BudgetWork) -> Commitment | None:
    """The answer, a reservation or a refusal; None when this approval has been answered before."""
    ledger = await work.ledgers.find(request.grant, (cost.line_code for cost in request.costs))
    if await work.commitments.answered(request.event, request.approval):
        return None
    commitment = Commitment.answering(CommitmentId(new_id()), request, ledger, at=work.now)
    await work.commitments.save(commitment)
    if ledger is not None:
        await work.ledgers.save(ledger)
    return commitment
