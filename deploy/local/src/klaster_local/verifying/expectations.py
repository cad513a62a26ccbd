"""What the services promise, written down a second time.

The one rule: nothing here is imported from the code that is to be judged. It is taken from the wire contract and from
`docs/architecture`, and a test holds it against what the services declare, so that a new consumer cannot go unwatched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SERVICES: Final = ("partners", "events", "budget", "notifications")
INBOUND: Final = "inbound.accounting.v1"
APPROVALS: Final = "events.approval.v1"
"""Deadlines: messages of a process, with no aggregate behind them."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`table` of `service` has a row per aggregate with its version; `topic` has a message for each version, keyed by the id.

    `by_command`: only commands make it, so a ledger of commands knows all of them.
    """

    service: str
    table: str
    topic: str
    by_command: bool = True


AGGREGATES: Final = (
    Aggregate("partners", "organisation", "partners.organisation.v1"),
    Aggregate("partners", "network", "partners.network.v1"),
    Aggregate("partners", "membership", "partners.membership.v1"),
    Aggregate("events", "event", "events.event.v1"),
    Aggregate("events", "registration", "events.registration.v1"),
    Aggregate("budget", "grant_agreement", "budget.grant.v1"),
    Aggregate("budget", "commitment", "budget.commitment.v1", by_command=False),
    Aggregate("budget", "expenditure", "budget.expenditure.v1", by_command=False),
    Aggregate("notifications", "delivery", "notifications.delivery.v1", by_command=False),
)
TOPICS: Final = (*(each.topic for each in AGGREGATES), APPROVALS, INBOUND)


@dataclass(frozen=True, slots=True)
class Consumer:
    """`hears`: the message types it handles, by topic."""

    service: str
    name: str
    hears: Mapping[str, frozenset[str]]


REGISTRATION_NEWS: Final = frozenset({"RegistrationConfirmed", "WaitlistJoined", "RegistrationWithdrawn", "RegistrationCancelled"})
CONSUMERS: Final = (
    Consumer(
        "budget", "budget.events", {"events.event.v1": frozenset({"EventApproved", "EventReturnedToDraft", "EventPublished", "EventCancelled"})}
    ),
    Consumer("budget", "budget.accounting", {INBOUND: frozenset({"InvoiceBooked"})}),
    Consumer("events", "events.budget", {"budget.commitment.v1": frozenset({"CommitmentReserved", "CommitmentRefused", "CommitmentReleased"})}),
    Consumer("events", "events.approvals", {APPROVALS: frozenset({"ApprovalFellDue"})}),
    Consumer(
        "notifications",
        "notifications.partners",
        {"partners.organisation.v1": frozenset({"ContactAdded"}), "partners.membership.v1": frozenset({"MembershipUpgraded"})},
    ),
    Consumer("notifications", "notifications.events", {"events.registration.v1": REGISTRATION_NEWS}),
    Consumer("notifications", "notifications.budget", {"budget.commitment.v1": frozenset({"CommitmentRefused"})}),
)

CAUSES: Final[Mapping[str, frozenset[str]]] = {
    "CommitmentReserved": frozenset({"EventApproved"}),
    "CommitmentRefused": frozenset({"EventApproved"}),
    "CommitmentConfirmed": frozenset({"EventPublished"}),
    "CommitmentReleased": frozenset({"EventCancelled", "EventReturnedToDraft"}),
}
"""Messages that only a message causes: `ce_causationid` names one of these types."""

ONCE_PER_CAUSE: Final = {"CommitmentReserved": "an answer", "CommitmentRefused": "an answer", "ExpenditureDeclared": "an expenditure"}
"""Of one cause at most one of each kind, whatever the key. An approval is answered once, by one of two messages."""

STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "event": {
        "EventDrafted": "draft",
        "EventRevised": "draft",
        "EventReturnedToDraft": "draft",
        "EventSubmitted": "submitted",
        "EventApproved": "approved",
        "EventPublished": "published",
        "EventCancelled": "cancelled",
        "EventCompleted": "completed",
    },
    "registration": {
        "RegistrationConfirmed": "confirmed",
        "WaitlistJoined": "waitlisted",
        "RegistrationWithdrawn": "withdrawn",
        "RegistrationCancelled": "cancelled",
    },
    "delivery": {"DeliveryQueued": "queued", "DeliverySent": "sent", "DeliveryFailed": "failed", "DeliverySuppressed": "suppressed"},
}
"""By table: the status that an aggregate has after a message."""

TOLD_TO_CONTACTS: Final[Mapping[str, str | None]] = {"MembershipUpgraded": None, "CommitmentRefused": "event_manager"}
"""Which role the contacts have who are told; None: all of them."""

SAME_MOMENT_SECONDS: Final = 5.0
"""A contact recorded at most so much later than a cause hears of it."""
