"""Everything this service hears."""

from collections.abc import Mapping
from types import MappingProxyType

from klaster_notifications.consumers import budget, events, partners
from klaster_shared.consuming.handling import Consumer, Handlers
from klaster_shared.consuming.projections import Projection, Share
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


type Shares = Mapping[str, tuple[Share, ...]]
"""What each consumer, by name, builds from the log alone."""


def build_consumers(shares: Shares = MappingProxyType({})) -> tuple[Consumer, ...]:
    """Nothing of what events says is replay-safe: it ends in deliveries, which are a record."""
    return (
        _repeating(
            "notifications.partners", (topics.PARTNERS_ORGANISATION, topics.PARTNERS_MEMBERSHIP), partners.HANDLERS, partners.REPEATED, shares
        ),
        Consumer(name="notifications.events", topics=(topics.EVENTS_REGISTRATION,), handlers=events.HANDLERS),
        _repeating("notifications.budget", (topics.BUDGET_COMMITMENT,), budget.HANDLERS, budget.REPEATED, shares),
    )


def _repeating(name: str, heard: tuple[str, ...], handlers: Handlers, repeated: Handlers, shares: Shares) -> Consumer:
    """A consumer that builds a projection, as far as it is known which one."""
    projection = Projection(shares=shares[name], handlers=repeated) if name in shares else None
    return Consumer(name=name, topics=heard, handlers=handlers, replay_safe=repeated, projection=projection)
