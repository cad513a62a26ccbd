"""Everything this service hears."""

from klaster_events.consumers import approvals, budget
from klaster_shared.consuming.handling import Consumer
from klaster_shared.contracts import topics
from klaster_shared.contracts.budget import CommitmentRefused, CommitmentReleased, CommitmentReserved
from klaster_shared.contracts.events import ApprovalFellDue

CONSUMES = (CommitmentReserved, CommitmentRefused, CommitmentReleased, ApprovalFellDue)


def build_consumers() -> tuple[Consumer, ...]:
    return (
        Consumer(name="events.budget", topics=(topics.BUDGET_COMMITMENT,), handlers=budget.HANDLERS),
        Consumer(name="events.approvals", topics=(topics.EVENTS_APPROVAL,), handlers=approvals.HANDLERS),
    )
