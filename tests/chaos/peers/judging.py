"""The verdict on a peer, by the same categories as on Klaster: what was acknowledged against what it came to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

type OrderId = tuple[str, int]
"""Customer and number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerResult:
    """`stuck`: orders that were still without effect when everything but the bad ones should have been handled, and the fix had not come."""

    peer: str
    version: str
    fault: str
    injections: int
    messages: int
    lost: int
    duplicated: int
    reordered: int
    stuck: int
    seed: int
    seconds: float
    remark: str


def lost(acknowledged: Iterable[OrderId], effects: Sequence[OrderId]) -> int:
    return len(set(acknowledged) - set(effects))


def duplicated(effects: Sequence[OrderId]) -> int:
    return sum(count - 1 for count in Counter(effects).values())


def reordered(effects: Sequence[OrderId]) -> int:
    """First effects that came after one of a later order of the same customer."""
    latest: dict[str, int] = {}
    seen: set[OrderId] = set()
    found = 0
    for order in effects:
        customer, number = order
        if order in seen:
            continue
        seen.add(order)
        found += number < latest.get(customer, number)
        latest[customer] = max(number, latest.get(customer, number))
    return found


def without_effect(acknowledged: Mapping[OrderId, bool], effects: Sequence[OrderId]) -> int:
    """Orders that are not bad and have no effect yet; acknowledged: order → whether it is bad."""
    return len({order for order, bad in acknowledged.items() if not bad} - set(effects))
