"""What can be asked of the budget without changing it. Lists are ordered by id and read in pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self
from uuid import UUID

from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import CommitmentId, EventId, ExpenditureId, GrantId, RateId
from klaster_budget.domain.ledger import LineBalance
from klaster_budget.domain.rates import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantAccount:
    """A grant and what has become of its money, as of one moment. `balances` by line code."""

    grant: Grant
    balances: Mapping[str, LineBalance]

    @classmethod
    def untouched(cls, grant: Grant) -> Self:
        """As it is right after its registration."""
        return cls(grant=grant, balances={line.code: LineBalance.untouched(line) for line in grant.lines})


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerning:
    """Commitments or expenditures of an event, of a grant, or of both; None asks for any."""

    event: EventId | None = None
    grant: GrantId | None = None


class Books(Protocol):
    """One thing by its id raises NotFound. In lists `after` is the last id of the page before, `rows` the most that are given."""

    async def grant(self, key: GrantId) -> GrantAccount: ...
    async def grants(self, *, after: UUID | None, rows: int) -> Sequence[GrantAccount]: ...
    async def commitment(self, key: CommitmentId) -> Commitment: ...
    async def commitments(self, asked: Concerning, *, after: UUID | None, rows: int) -> Sequence[Commitment]: ...
    async def expenditure(self, key: ExpenditureId) -> Expenditure: ...
    async def expenditures(self, asked: Concerning, *, after: UUID | None, rows: int) -> Sequence[Expenditure]: ...
    async def rate(self, key: RateId) -> Rate: ...
    async def rates(self, *, after: UUID | None, rows: int) -> Sequence[Rate]: ...
