"""What has become of the planned money of a grant's lines.

The one rule: on every line, committed + declared ≤ planned, whatever happens in whatever order. A ledger is loaded under the
row locks of the grant's lines and is right only while they are held.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from klaster_budget.domain.errors import LineExceeded, UnknownLine
from klaster_budget.domain.ids import LineId
from klaster_budget.domain.plan import GrantTerms, PlannedLine
from klaster_shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBalance:
    """`committed` is what open commitments hold, `declared` what documents have used up. Raises ValueError for sums that contradict each other."""

    id: LineId
    code: str
    planned: Money
    committed: Money
    declared: Money

    def __post_init__(self) -> None:
        if self.committed.is_negative or self.declared.is_negative or self.available.is_negative:
            raise ValueError(f"line {self.code}: {self.committed} committed and {self.declared} declared of {self.planned} planned")

    @classmethod
    def untouched(cls, line: PlannedLine) -> Self:
        nothing = Money.zero(line.planned.currency)
        return cls(id=line.id, code=line.code, planned=line.planned, committed=nothing, declared=nothing)

    @property
    def available(self) -> Money:
        return self.planned - self.committed - self.declared


class Ledger:
    """The balances of lines of one grant by code, and which of them have changed since they were read. It holds the lines that were
    asked for; one that is missing then does not exist.
    """

    def __init__(self, terms: GrantTerms, balances: Iterable[LineBalance]) -> None:
        self.terms = terms
        self._balances = {balance.code: balance for balance in balances}
        self._changed: set[str] = set()

    @property
    def currency(self) -> str:
        return self.terms.currency

    def __contains__(self, code: str) -> bool:
        return code in self._balances

    def __getitem__(self, code: str) -> LineBalance:
        """Raises UnknownLine."""
        balance = self._balances.get(code)
        if balance is None:
            raise UnknownLine(code)
        return balance

    def commit(self, code: str, amount: Money) -> None:
        """Reserves `amount`. Raises LineExceeded when the line has less available."""
        balance = self[code]
        if amount > balance.available:
            raise LineExceeded(code, asked=amount, available=balance.available)
        self._change(replace(balance, committed=balance.committed + amount))

    def release(self, code: str, amount: Money) -> None:
        """Gives `amount` back that was reserved."""
        balance = self[code]
        self._change(replace(balance, committed=balance.committed - amount))

    def declare(self, code: str, amount: Money, *, from_commitments: Money) -> None:
        """Uses `amount` up, of which `from_commitments` was reserved before. Raises LineExceeded when the line has less available than the rest."""
        balance = self[code]
        rest = amount - from_commitments
        if rest > balance.available:
            raise LineExceeded(code, asked=rest, available=balance.available)
        self._change(replace(balance, committed=balance.committed - from_commitments, declared=balance.declared + amount))

    def changes(self) -> list[LineBalance]:
        """The balances to be written, in the order of their ids."""
        return sorted((self._balances[code] for code in self._changed), key=lambda balance: balance.id)

    def _change(self, balance: LineBalance) -> None:
        self._balances[balance.code] = balance
        self._changed.add(balance.code)
