"""Networks in which organisations are members: the cluster itself, and the European networks that it belongs to."""

from dataclasses import dataclass
from typing import Self

from klaster_partners.domain.facts import NetworkWasRegistered
from klaster_partners.domain.ids import NetworkId
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant


@dataclass(slots=True, kw_only=True)
class Network(Aggregate):
    """`code` is the short name by which people and other systems cite the network, such as GIN; unique."""

    id: NetworkId
    code: str
    name: str
    registered_by: str
    registered_at: Instant

    @classmethod
    def registered(cls, key: NetworkId, *, code: str, name: str, by: str, at: Instant) -> Self:
        network = cls(id=key, code=code, name=name, registered_by=by, registered_at=at)
        network.facts.append(NetworkWasRegistered(network=key, code=code, name=name, at=at))
        return network
