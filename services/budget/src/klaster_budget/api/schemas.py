"""What clients write and read. Forms are checked here, rules in the domain; neither the aggregates nor the messages show through."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from klaster_budget.application.declare_expenditure import DeclareExpenditure
from klaster_budget.application.queries import GrantAccount
from klaster_budget.application.register_grant import RegisterGrant
from klaster_budget.application.register_rate import RegisterRate
from klaster_budget.domain.commitment import Commitment, CommitmentStatus, CommittedLine
from klaster_budget.domain.documents import Document, document
from klaster_budget.domain.expenditure import Claim, Expenditure
from klaster_budget.domain.grant import MOST_LINES
from klaster_budget.domain.ids import EventId, GrantCode, GrantId, LineId
from klaster_budget.domain.ledger import LineBalance
from klaster_budget.domain.plan import Period, PlannedLine
from klaster_budget.domain.rates import MOST_PLACES, Quotation, Rate
from klaster_budget.domain.refusals import Refusal, RefusalReason
from klaster_shared.ids import new_id
from klaster_shared.money import Money
from klaster_shared.web.fields import (
    Body,
    Code,
    Day,
    DecimalText,
    InstantOut,
    Line,
    MoneyIn,
    MoneyOut,
    PositiveMoneyIn,
    Resource,
    Text,
)

OVER_HTTP = "http"
"""The source of expenditures that people enter."""

CurrencyCode = Annotated[str, Text(3, 3), Field(description="ISO 4217, retired codes included.", examples=["EUR"])]
RateValue = Annotated[
    Decimal, DecimalText(places=MOST_PLACES), Field(description="Units of the grant's currency for one unit of the other.", examples=["4.3567"])
]


class LineIn(Body):
    code: Code
    name: Line
    category: Annotated[str, Text(80), Field(description="The funder's cost category.", examples=["travel"])]
    planned: MoneyIn

    def planned_line(self) -> PlannedLine:
        return PlannedLine(id=LineId(new_id()), code=self.code, name=self.name, category=self.category, planned=self.planned)


class GrantIn(Body):
    code: Annotated[Code, Field(description="How people and other systems cite the grant; unique.", examples=["MRPO-8.2"])]
    name: Line
    funder: Line
    total: PositiveMoneyIn
    starts_on: Day
    ends_on: Day
    lines: list[LineIn] = Field(min_length=1, max_length=MOST_LINES)

    def command(self) -> RegisterGrant:
        """Raises Invalid when it ends before it starts."""
        return RegisterGrant(
            code=GrantCode(self.code),
            name=self.name,
            funder=self.funder,
            total=self.total,
            period=Period(starts_on=self.starts_on, ends_on=self.ends_on),
            lines=[line.planned_line() for line in self.lines],
        )


class BalanceOut(Resource):
    """`available` is what is planned and neither committed nor declared. Certification and payment are not recorded yet: 0."""

    planned: MoneyOut
    committed: MoneyOut
    declared: MoneyOut
    certified: MoneyOut
    paid: MoneyOut
    available: MoneyOut

    @classmethod
    def of(cls, balances: Iterable[LineBalance], currency: str) -> Self:
        """The sums of any number of lines."""
        listed, nothing = list(balances), Money.zero(currency)
        return cls(
            planned=Money.sum((balance.planned for balance in listed), currency),
            committed=Money.sum((balance.committed for balance in listed), currency),
            declared=Money.sum((balance.declared for balance in listed), currency),
            certified=nothing,
            paid=nothing,
            available=Money.sum((balance.available for balance in listed), currency),
        )


class LineOut(BalanceOut):
    code: str
    name: str
    category: str

    @classmethod
    def described(cls, line: PlannedLine, balance: LineBalance) -> Self:
        sums = BalanceOut.of([balance], line.planned.currency)
        return cls(code=line.code, name=line.name, category=line.category, **dict(sums))


class GrantOut(Resource):
    id: UUID
    code: str
    name: str
    funder: str
    total: MoneyOut
    starts_on: dt.date
    ends_on: dt.date
    lines: list[LineOut]
    totals: BalanceOut
    registered_by: str
    registered_at: InstantOut

    @classmethod
    def of(cls, account: GrantAccount) -> Self:
        grant = account.grant
        return cls(
            id=grant.id,
            code=grant.code,
            name=grant.name,
            funder=grant.funder,
            total=grant.total,
            starts_on=grant.period.starts_on,
            ends_on=grant.period.ends_on,
            lines=[LineOut.described(line, account.balances[line.code]) for line in grant.lines],
            totals=BalanceOut.of(account.balances.values(), grant.total.currency),
            registered_by=grant.registered_by,
            registered_at=grant.registered_at,
        )


class CommittedLineOut(Resource):
    line_code: str
    reserved: MoneyOut
    consumed: MoneyOut
    released: MoneyOut
    open: MoneyOut

    @classmethod
    def of(cls, line: CommittedLine) -> Self:
        return cls(line_code=line.code, reserved=line.reserved, consumed=line.consumed, released=line.released, open=line.open)


class ShortfallOut(Resource):
    line_code: str
    short_by: MoneyOut


class RefusalOut(Resource):
    """`line_code` and `short_by` are those of the first line concerned, `shortfalls` those of all lines without enough money."""

    reason: RefusalReason
    line_code: str | None
    short_by: MoneyOut | None
    shortfalls: list[ShortfallOut]

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        return cls(
            reason=refusal.reason,
            line_code=refusal.line_code,
            short_by=refusal.short_by,
            shortfalls=[ShortfallOut(line_code=short.line_code, short_by=short.amount) for short in refusal.shortfalls],
        )


class CommitmentOut(Resource):
    """The answer to one approval of an event. A refused one has a `refusal` and no lines."""

    id: UUID
    event_id: UUID
    approval_id: UUID
    grant_id: UUID
    status: CommitmentStatus
    lines: list[CommittedLineOut]
    refusal: RefusalOut | None
    answered_at: InstantOut

    @classmethod
    def of(cls, commitment: Commitment) -> Self:
        return cls(
            id=commitment.id,
            event_id=commitment.event,
            approval_id=commitment.approval,
            grant_id=commitment.grant,
            status=commitment.status,
            lines=[CommittedLineOut.of(line) for line in commitment.lines],
            refusal=RefusalOut.of(commitment.refusal) if commitment.refusal else None,
            answered_at=commitment.answered_at,
        )


class RateIn(Body):
    currency: CurrencyCode
    value: RateValue
    date: Day
    source: Line

    def command(self) -> RegisterRate:
        return RegisterRate(currency=self.currency, quotation=Quotation(value=self.value, source=self.source, on=self.date))


class RateOut(Resource):
    id: UUID
    currency: str
    value: RateValue
    date: dt.date
    source: str
    registered_by: str
    registered_at: InstantOut

    @classmethod
    def of(cls, rate: Rate) -> Self:
        quotation = rate.quotation
        return cls(
            id=rate.id,
            currency=rate.currency,
            value=quotation.value,
            date=quotation.on,
            source=quotation.source,
            registered_by=rate.registered_by,
            registered_at=rate.registered_at,
        )


class DocumentIn(Body):
    number: Line
    issued_on: Day
    issuer: Line
    issuer_nip: Annotated[Code | None, Field(description="Polish tax number, checked by its check digit.", examples=["856-734-62-15"])] = None

    def document(self) -> Document:
        """Raises Invalid for a tax number that is none."""
        return document(number=self.number, issued_on=self.issued_on, issuer=self.issuer, issuer_nip=self.issuer_nip)


class DocumentOut(Resource):
    number: str
    issued_on: dt.date
    issuer: str
    issuer_nip: str | None

    @classmethod
    def of(cls, document: Document) -> Self:
        return cls(number=document.number, issued_on=document.issued_on, issuer=document.issuer, issuer_nip=document.issuer_nip)


class AppliedRateIn(Body):
    value: RateValue
    source: Line
    date: Day


class AppliedRateOut(Resource):
    value: RateValue
    source: str
    date: dt.date

    @classmethod
    def of(cls, rate: Quotation) -> Self:
        return cls(value=rate.value, source=rate.source, date=rate.on)


class ExpenditureIn(Body):
    """`rate` only for another currency than the grant's. Without it the rate stored for the day of issue is applied; of several that were
    stored for that day, the one registered first.
    """

    grant_id: UUID
    line_code: Code
    event_id: UUID | None = None
    document: DocumentIn
    amount: PositiveMoneyIn
    rate: AppliedRateIn | None = None

    def command(self) -> DeclareExpenditure:
        rate = self.rate
        claim = Claim(
            line_code=self.line_code,
            event=EventId(self.event_id) if self.event_id else None,
            document=self.document.document(),
            amount=self.amount,
            rate=Quotation(value=rate.value, source=rate.source, on=rate.date) if rate else None,
        )
        return DeclareExpenditure(grant=GrantId(self.grant_id), claim=claim, source=OVER_HTTP)


class ExpenditureOut(Resource):
    """`amount` as declared; `rate` is null when that is the grant's currency."""

    id: UUID
    grant_id: UUID
    line_code: str
    event_id: UUID | None
    document: DocumentOut
    amount: MoneyOut
    rate: AppliedRateOut | None
    amount_in_grant_currency: MoneyOut
    consumed_from_commitment: MoneyOut
    source: str
    declared_by: str
    declared_at: InstantOut

    @classmethod
    def of(cls, expenditure: Expenditure) -> Self:
        return cls(
            id=expenditure.id,
            grant_id=expenditure.grant,
            line_code=expenditure.line_code,
            event_id=expenditure.event,
            document=DocumentOut.of(expenditure.document),
            amount=expenditure.amount,
            rate=AppliedRateOut.of(expenditure.rate) if expenditure.rate else None,
            amount_in_grant_currency=expenditure.in_grant_currency,
            consumed_from_commitment=expenditure.from_commitments,
            source=expenditure.source,
            declared_by=expenditure.declared_by,
            declared_at=expenditure.declared_at,
        )
