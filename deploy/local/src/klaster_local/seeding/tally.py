"""What a loading found and what it added."""

from collections import Counter
from collections.abc import Callable


class Tally:
    """`told` is called after every count, for a progress display."""

    def __init__(self, told: Callable[["Tally"], None] | None = None) -> None:
        self.found: Counter[str] = Counter()
        self.added: Counter[str] = Counter()
        self._told = told

    def note(self, kind: str, *, was_there: bool) -> None:
        """One thing of a kind: `organisation`, `event` …"""
        (self.found if was_there else self.added)[kind] += 1
        if self._told is not None:
            self._told(self)

    @property
    def kinds(self) -> list[str]:
        """In the order in which they came up."""
        return list(dict.fromkeys((*self.found, *self.added)))
