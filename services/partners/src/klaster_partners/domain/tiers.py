"""How full a membership is, and since when by whose decision.

The one rule: history is only ever appended to; what was decided stays readable as it was decided.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from klaster_shared.clock import Instant


class Tier(StrEnum):
    """In rising order. Compare with `is_above`: as text the values would sort alphabetically."""

    OBSERVER = "observer"
    ASSOCIATE = "associate"
    FULL = "full"

    def is_above(self, other: "Tier") -> bool:
        ranks = list(Tier)
        return ranks.index(self) > ranks.index(other)


class Standing(StrEnum):
    """Whether a membership is alive: asked for, or in force."""

    APPLIED = "applied"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierChange:
    """From `effective_on` on (that day included) the tier is `tier`. `decision` cites the network's resolution; `decided_by` entered it."""

    tier: Tier
    effective_on: date
    decision: str
    decided_by: str
    decided_at: Instant
