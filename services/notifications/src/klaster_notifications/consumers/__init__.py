"""Everything this service hears."""

from klaster_notifications.consumers import budget, events, partners
from klaster_shared.consuming.handling import Consumer
from klaster_shared.contracts import topics
from klaster_shared.contracts.budget import CommitmentRefused
from klaster_shared.contracts.events import RegistrationCancelled, RegistrationConfirmed, RegistrationWithdrawn, WaitlistJoined
from klaster_shared.contracts.partners import ContactAdded, MembershipUpgraded

CONSUMES = (
    ContactAdded,
    MembershipUpgraded,
    RegistrationConfirmed,
    WaitlistJoined,
    RegistrationWithdrawn,
    RegistrationCancelled,
    CommitmentRefused,
)


def build_consumers() -> tuple[Consumer, ...]:
    return (
        Consumer(name="notifications.partners", topics=(topics.PARTNERS_ORGANISATION, topics.PARTNERS_MEMBERSHIP), handlers=partners.HANDLERS),
        Consumer(name="notifications.events", topics=(topics.EVENTS_REGISTRATION,), handlers=events.HANDLERS),
        Consumer(name="notifications.budget", topics=(topics.BUDGET_COMMITMENT,), handlers=budget.HANDLERS),
    )
