"""What the use cases need of the outside, in the words of the domain. The edge makes one `BudgetWork` per transaction.

The one rule: whoever reserves, confirms, consumes or releases takes the grant's ledger first, because `locked` is what puts
concurrent changes of one grant in a row; what a decision reads is read after it.
"""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.documents import Document
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import ApprovalId, EventId, GrantCode, GrantId, LineId
from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.plan import GrantTerms
from klaster_budget.domain.rates import Rate
from klaster_shared.clock import Instant


class Grants(Protocol):
    async def terms(self, grant: GrantId | GrantCode) -> GrantTerms:
        """Raises NotFound."""

    async def save(self, grant: Grant) -> None:
        """Raises GrantCodeTaken."""


class Ledgers(Protocol):
    async def locked(self, grant: GrantId) -> Ledger:
        """The balances of all the grant's lines, locked until the transaction ends. Raises NotFound."""

    async def locked_if_known(self, grant: GrantId) -> Ledger | None:
        """The same; None when there is no such grant."""

    async def save(self, ledger: Ledger) -> None: ...


class Commitments(Protocol):
    async def answered(self, event: EventId, approval: ApprovalId) -> bool:
        """Whether this approval has been answered, by a reservation or by a refusal."""

    async def grants_with_open(self, event: EventId) -> Sequence[GrantId]:
        """Where the event has money reserved, in the order in which ledgers are to be locked."""

    async def open_of(self, event: EventId, grant: GrantId) -> Sequence[Commitment]:
        """The event's commitments on a grant that have something open, oldest first."""

    async def save(self, commitment: Commitment) -> None:
        """Raises StaleVersion."""


class Expenditures(Protocol):
    async def of_document(self, document: Document, line: LineId) -> Expenditure | None:
        """What is declared on the line from this document."""

    async def save(self, expenditure: Expenditure) -> None: ...


class Rates(Protocol):
    async def first_registered(self, currency: str, on: date) -> Rate | None:
        """Of the rates stored for exactly that day, whichever source they are from, the one that was registered first."""

    async def add(self, rate: Rate) -> None:
        """Raises RateTaken."""


class BudgetWork(Protocol):
    """One transaction: `now` is its one instant, `actor` who asked for it."""

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
