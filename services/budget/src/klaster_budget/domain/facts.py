"""What happens to grants, commitments and expenditures. `at` is when it happened."""

from dataclasses import dataclass

from klaster_budget.domain.documents import Document
from klaster_budget.domain.ids import ApprovalId, CommitmentId, EventId, ExpenditureId, GrantCode, GrantId
from klaster_budget.domain.plan import Period, PlannedLine
from klaster_budget.domain.rates import Quotation
from klaster_budget.domain.refusals import Refusal
from klaster_budget.domain.requests import CommitmentRequest, LineAmount
from klaster_shared.aggregates import Fact
from klaster_shared.clock import Instant
from klaster_shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantWasRegistered(Fact):
    grant: GrantId
    code: GrantCode
    name: str
    funder: str
    total: Money
    period: Period
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWasApproved(Fact):
    grant: GrantId
    lines: tuple[PlannedLine, ...]
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentStep(Fact):
    """`lines` are the amounts of this step; `still_open` has every line, with what is neither consumed nor released after it."""

    commitment: CommitmentId
    event: EventId
    approval: ApprovalId
    grant: GrantId
    lines: tuple[LineAmount, ...]
    still_open: tuple[LineAmount, ...]
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentWasReserved(CommitmentStep):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentWasRefused(Fact):
    commitment: CommitmentId
    request: CommitmentRequest
    refusal: Refusal
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentWasConfirmed(CommitmentStep):
    """`lines` is what became firm: all that was open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentWasConsumed(CommitmentStep):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentWasReleased(CommitmentStep):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenditureWasDeclared(Fact):
    """`amount` as on the document; `rate` is there when that is not the grant's currency."""

    expenditure: ExpenditureId
    grant: GrantId
    line_code: str
    event: EventId | None
    document: Document
    amount: Money
    rate: Quotation | None
    in_grant_currency: Money
    from_commitments: Money
    at: Instant


type BudgetFact = (
    GrantWasRegistered
    | BudgetWasApproved
    | CommitmentWasReserved
    | CommitmentWasRefused
    | CommitmentWasConfirmed
    | CommitmentWasConsumed
    | CommitmentWasReleased
    | ExpenditureWasDeclared
)
