"""Everything this service hears."""

from klaster_events.consumers import budget
from klaster_shared.consuming.handling import Consumer
from klaster_shared.contracts import topics
from klaster_shared.contracts.budget import CommitmentRefused, CommitmentReleased, CommitmentReserved

CONSUMES = (CommitmentReserved, CommitmentRefused, CommitmentReleased)


def build_consumers() -> tuple[Consumer, ...]:
    return (Consumer(name="events.budget", topics=(topics.BUDGET_COMMITMENT,), handlers=budget.HANDLERS),)
