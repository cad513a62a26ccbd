"""What a look at the system came to.

The one rule: a finding is a promise broken, in one of five ways that `docs/architecture/guarantees.md` names; everything else that is
worth knowing is a count or a note.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Category(StrEnum):
    LOST = "lost"
    """What was acknowledged, committed or in the log did not have its effect."""
    DUPLICATED = "duplicated"
    """Something had its effect twice. Copies on the wire are no finding: that is what inboxes are for."""
    REORDERED = "reordered"
    """First occurrences of one key, or their effects, in another order than they were made."""
    STUCK = "stuck"
    """What should go on by itself has not done so for longer than is allowed."""
    UNEXPLAINED = "unexplained"
    """A row or message that nothing has caused, or numbers that do not follow from the messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`place` is a service, a consumer or a topic; `check` says in a word what was looked at; `subject` is what it was found on."""

    category: Category
    check: str
    place: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`looked_at`: how many things of each place were judged. `counts`: totals, and what is known of harmless oddities."""

    findings: tuple[Finding, ...]
    looked_at: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        return not self.findings

    @property
    def lost(self) -> Sequence[Finding]:
        return self.of(Category.LOST)

    @property
    def duplicated(self) -> Sequence[Finding]:
        return self.of(Category.DUPLICATED)

    @property
    def reordered(self) -> Sequence[Finding]:
        return self.of(Category.REORDERED)

    @property
    def stuck(self) -> Sequence[Finding]:
        return self.of(Category.STUCK)

    @property
    def unexplained(self) -> Sequence[Finding]:
        return self.of(Category.UNEXPLAINED)

    @property
    def messages(self) -> int:
        """Records of the log that were read."""
        return self.counts.get("messages", 0)

    def of(self, category: Category) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.category is category)

    def as_json(self) -> dict[str, Any]:
        by_place = by_place_of(self.findings)
        return {
            "clean": self.clean,
            "figures": {category.value: len(self.of(category)) for category in Category},
            "places": {
                place: {"looked_at": number, **{category.value: by_place[place][category] for category in Category}}
                for place, number in self.looked_at.items()
            },
            "findings": [asdict(finding) for finding in self.findings],
            "counts": dict(self.counts),
            "notes": list(self.notes),
        }


def by_place_of(findings: Iterable[Finding]) -> Mapping[str, Counter[Category]]:
    """Every place asked for has a counter."""
    counted: dict[str, Counter[Category]] = _Counters()
    for finding in findings:
        counted[finding.place][finding.category] += 1
    return counted


class _Counters(dict[str, Counter[Category]]):
    def __missing__(self, place: str) -> Counter[Category]:
        return self.setdefault(place, Counter())
