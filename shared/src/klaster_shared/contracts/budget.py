"""What the budget service says: grants and their lines, money reserved for events, expenditures declared."""

import datetime as dt
from typing import Literal
from uuid import UUID

from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import Body, CostLine, ExchangeRate, LocalisedText, Message, MoneyValue, Shortfall
from klaster_shared.contracts.registry import message


class BudgetLine(Body):
    code: str
    name: str
    category: str
    planned: MoneyValue


class SourceDocument(Body):
    """The accounting document behind an expenditure."""

    number: str
    issued_on: dt.date
    issuer: str
    issuer_nip: str | None = None


@message(topics.BUDGET_GRANT, subject="grant_id")
class GrantRegistered(Message):
    grant_id: UUID
    code: str
    name: str
    funder: str
    total: MoneyValue
    starts_on: dt.date
    ends_on: dt.date


@message(topics.BUDGET_GRANT, subject="grant_id")
class BudgetApproved(Message):
    grant_id: UUID
    lines: tuple[BudgetLine, ...]


class _CommitmentStep(Message):
    """`lines` are the amounts of this step, `open` what is reserved and neither consumed nor released after it."""

    commitment_id: UUID
    event_id: UUID
    approval_id: UUID
    grant_id: UUID
    lines: tuple[CostLine, ...]
    open: tuple[CostLine, ...]


@message(topics.BUDGET_COMMITMENT, subject="commitment_id")
class CommitmentReserved(_CommitmentStep):
    pass


@message(topics.BUDGET_COMMITMENT, subject="commitment_id")
class CommitmentRefused(Message):
    """Nothing was reserved. `line_code` and `short_by` are those of the first short line, `shortfalls` those of all."""

    commitment_id: UUID
    event_id: UUID
    approval_id: UUID
    grant_id: UUID
    host_organisation_id: UUID
    title: LocalisedText
    reason: Literal["insufficient", "unknown_grant", "unknown_line", "other_currency"]
    line_code: str | None
    short_by: MoneyValue | None
    shortfalls: tuple[Shortfall, ...]


@message(topics.BUDGET_COMMITMENT, subject="commitment_id")
class CommitmentConfirmed(_CommitmentStep):
    pass


@message(topics.BUDGET_COMMITMENT, subject="commitment_id")
class CommitmentConsumed(_CommitmentStep):
    pass


@message(topics.BUDGET_COMMITMENT, subject="commitment_id")
class CommitmentReleased(_CommitmentStep):
    pass


@message(topics.BUDGET_EXPENDITURE, subject="expenditure_id")
class ExpenditureDeclared(Message):
    """`amount` as on the document; `rate` is there when that is not the grant's currency."""

    expenditure_id: UUID
    grant_id: UUID
    line_code: str
    event_id: UUID | None
    document: SourceDocument
    amount: MoneyValue
    rate: ExchangeRate | None
    amount_in_grant_currency: MoneyValue
    consumed_from_commitment: MoneyValue
