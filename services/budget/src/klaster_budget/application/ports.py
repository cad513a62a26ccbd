"""What the use cases need of the outside, in the words of the domain. The edge opens the work and commits it; a use case does neither.

The one rule: whoever reserves, confirms, consumes or releases locks the grant's lines first, because that puts concurrent
changes of one grant in a row; whatever a decision depends on is read after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Protocol

from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.documents import Document
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import ApprovalId, EventId, GrantCode, GrantId, LineId
from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.rates import Rate
from klaster_shared.clock import Instant


class Grants(Protocol):
    async def coded(self, code: GrantCode) -> GrantId | None:
        """The grant with that code."""

    async def save(self, grant: Grant) -> None: ...


class Ledgers(Protocol):
    async def lock(self, grant: GrantId | GrantCode) -> bool:
        """Locks all the grant's lines until the transaction ends, and reads nothing. Whether there is such a grant."""

    async def find(self, grant: GrantId | GrantCode, lines: Iterable[str]) -> Ledger | None:
        """Locks, then reads the balances of those of `lines` that exist; None when there is no such grant."""

    async def get(self, grant: GrantId | GrantCode, lines: Iterable[str]) -> Ledger:
        """The same. Raises UnknownGrant."""

    async def save(self, ledger: Ledger) -> None: ...


class Commitments(Protocol):
    async def answered(self, event: EventId, approval: ApprovalId) -> bool:
        """Whether this approval has been answered, by a reservation or by a refusal."""

    async def open_lines(self, event: EventId) -> Mapping[GrantId, Sequence[str]]:
        """On which lines of which grants the event has money reserved; grants in the order in which they are to be locked."""

    async def open_of(self, event: EventId, grant: GrantId) -> Sequence[Commitment]:
        """The event's commitments on a grant that have something open, oldest first."""

    async def save(self, commitment: Commitment) -> None:
        """Raises StaleVersion when it was stored by somebody else since it was read."""


class Expenditures(Protocol):
    async def of_document(self, document: Document, line: LineId) -> Expenditure | None:
        """What is declared on the line from this document."""

    async def save(self, expenditure: Expenditure) -> None: ...


class Rates(Protocol):
    async def quoted(self, currency: str, on: date, source: str) -> Rate | None: ...

    async def first_registered(self, currency: str, on: date) -> Rate | None:
        """Of the rates stored for exactly that day, whichever source they are from, the one that was registered first."""

    async def add(self, rate: Rate) -> None: ...


class BudgetWork(Protocol):
    """One transaction. `now` is its one instant, `actor` who asked for it."""

    @property
    def now(self) -> Instant: ...
    @property
    def actor(self) -> str: ...
    @property
    def grants(self) -> Grants: ...
    @property
    def ledgers(self) -> Ledgers: ...
    @property
    def commitments(self) -> Commitments: ...
    @property
    def expenditures(self) -> Expenditures: ...
    @property
    def rates(self) -> Rates: ...
