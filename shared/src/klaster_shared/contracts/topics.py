"""The topics of Klaster: whose they are, what keys their messages, who reads them.

The one rule: all messages of one aggregate share topic and key, because Kafka keeps order nowhere else. The partition count is
part of that promise and never changes. `deploy/kafka/topics.yaml` says the same to operations; a test holds the two together.
"""

from dataclasses import dataclass
from typing import Final

PARTITIONS: Final = 6
KEEP_FOR_EVER: Final = -1
"""`retention.ms` of topics that hold facts: late consumers and replays need the whole log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """`name` is `klaster.<service>.<aggregate>.v<N>`; `owner` alone writes; `key` says whose id keys the records."""

    name: str
    owner: str
    key: str
    readers: tuple[str, ...] = ()
    partitions: int = PARTITIONS
    retention_ms: int = KEEP_FOR_EVER

    @property
    def service(self) -> str:
        return self.name.split(".")[1]

    @property
    def aggregate(self) -> str:
        return self.name.split(".")[2]


PARTNERS_ORGANISATION: Final = "klaster.partners.organisation.v1"
PARTNERS_NETWORK: Final = "klaster.partners.network.v1"
PARTNERS_MEMBERSHIP: Final = "klaster.partners.membership.v1"
EVENTS_EVENT: Final = "klaster.events.event.v1"
EVENTS_REGISTRATION: Final = "klaster.events.registration.v1"
EVENTS_APPROVAL: Final = "klaster.events.approval.v1"
BUDGET_GRANT: Final = "klaster.budget.grant.v1"
BUDGET_COMMITMENT: Final = "klaster.budget.commitment.v1"
BUDGET_EXPENDITURE: Final = "klaster.budget.expenditure.v1"
NOTIFICATIONS_DELIVERY: Final = "klaster.notifications.delivery.v1"
INBOUND_ACCOUNTING: Final = "klaster.inbound.accounting.v1"

TOPICS: Final = {
    topic.name: topic
    for topic in (
        Topic(name=PARTNERS_ORGANISATION, owner="partners", key="organisation", readers=("notifications",)),
        Topic(name=PARTNERS_NETWORK, owner="partners", key="network"),
        Topic(name=PARTNERS_MEMBERSHIP, owner="partners", key="membership", readers=("notifications",)),
        Topic(name=EVENTS_EVENT, owner="events", key="event", readers=("budget",)),
        Topic(name=EVENTS_REGISTRATION, owner="events", key="registration", readers=("notifications",)),
        Topic(name=EVENTS_APPROVAL, owner="events", key="approval", readers=("events",)),
        Topic(name=BUDGET_GRANT, owner="budget", key="grant"),
        Topic(name=BUDGET_COMMITMENT, owner="budget", key="commitment", readers=("events", "notifications")),
        Topic(name=BUDGET_EXPENDITURE, owner="budget", key="expenditure"),
        Topic(name=NOTIFICATIONS_DELIVERY, owner="notifications", key="delivery"),
        Topic(name=INBOUND_ACCOUNTING, owner="accounting", key="the sender's own", readers=("budget",)),
    )
}
