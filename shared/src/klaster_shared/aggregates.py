"""What every aggregate shares: it records facts in memory, and its version is the number of its last fact.

The one rule: whoever changes an aggregate records at least one fact, so that versions and message sequences never part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to an aggregate, in domain values. Not a wire format."""


@dataclass(slots=True, kw_only=True)
class Aggregate:
    """`version` is the number of the last stored fact (0: never stored); `facts` are those recorded since."""

    version: int = 0
    facts: list[Any] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        return bool(self.facts)

    def stored(self) -> Sequence[Any]:
        """The facts just stored; the version moves past them."""
        facts, self.facts = self.facts, []
        self.version += len(facts)
        return facts
