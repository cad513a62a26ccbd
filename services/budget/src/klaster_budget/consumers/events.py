"""Everything the budget hears from the events service: money is asked for, made firm and given back."""

from klaster_budget.application.confirm_commitments import ConfirmCommitments, confirm_commitments
from klaster_budget.application.ports import BudgetWork
from klaster_budget.application.release_commitments import ReleaseCommitments, release_commitments
from klaster_budget.application.reserve_commitment import reserve_commitment
from klaster_budget.domain.ids import ApprovalId, EventId, GrantId, OrganisationId
from klaster_budget.domain.requests import CommitmentRequest, LineAmount, Title
from klaster_shared.consuming.handling import Skipped, handlers
from klaster_shared.contracts.events import EventApproved, EventCancelled, EventPublished, EventReturnedToDraft
from klaster_shared.errors import Invalid
from klaster_shared.money import Money


async def reserve_for_event(message: EventApproved, work: BudgetWork) -> Skipped | None:
    """Raises Invalid for costs that name no grant, or that make no request."""
    if not message.costs:
        return Skipped("no-costs")
    if await reserve_commitment(_request(message), work) is None:
        return Skipped("already-answered")
    return None


async def confirm_for_event(message: EventPublished, work: BudgetWork) -> Skipped | None:
    confirmed = await confirm_commitments(ConfirmCommitments(event=EventId(message.event_id)), work)
    return None if confirmed else Skipped("nothing-to-confirm")


async def release_for_event(message: EventCancelled, work: BudgetWork) -> Skipped | None:
    released = await release_commitments(ReleaseCommitments(event=EventId(message.event_id)), work)
    return None if released else Skipped("nothing-open")


async def release_for_approval(message: EventReturnedToDraft, work: BudgetWork) -> Skipped | None:
    """After a refusal there is nothing to release; after a lapse there may be, when the answer came too late."""
    command = ReleaseCommitments(event=EventId(message.event_id), approval=ApprovalId(message.approval_id))
    return None if await release_commitments(command, work) else Skipped("nothing-open")


HANDLERS = handlers(
    EventApproved=reserve_for_event,
    EventPublished=confirm_for_event,
    EventCancelled=release_for_event,
    EventReturnedToDraft=release_for_approval,
)


def _request(message: EventApproved) -> CommitmentRequest:
    if message.grant_id is None:
        raise Invalid("grant_id", "costs need a grant")
    return CommitmentRequest(
        event=EventId(message.event_id),
        approval=ApprovalId(message.approval_id),
        grant=GrantId(message.grant_id),
        costs=tuple(LineAmount(line_code=cost.line_code, amount=Money(cost.amount.amount, cost.amount.currency)) for cost in message.costs),
        host_organisation=OrganisationId(message.host_organisation_id),
        title=Title(pl=message.title.pl, en=message.title.en),
    )
