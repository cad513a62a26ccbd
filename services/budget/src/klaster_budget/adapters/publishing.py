"""What leaves this service: one message for every fact."""

from typing import assert_never

from klaster_budget.domain.documents import Document
from klaster_budget.domain.facts import (
    BudgetFact,
    BudgetWasApproved,
    CommitmentStep,
    CommitmentWasConfirmed,
    CommitmentWasConsumed,
    CommitmentWasRefused,
    CommitmentWasReleased,
    CommitmentWasReserved,
    ExpenditureWasDeclared,
    GrantWasRegistered,
)
from klaster_budget.domain.rates import Quotation
from klaster_budget.domain.requests import LineAmount
from klaster_shared.contracts.bodies import CostLine, ExchangeRate, LocalisedText, Message, MoneyValue, Shortfall
from klaster_shared.contracts.budget import (
    BudgetApproved,
    BudgetLine,
    CommitmentConfirmed,
    CommitmentConsumed,
    CommitmentRefused,
    CommitmentReleased,
    CommitmentReserved,
    ExpenditureDeclared,
    GrantRegistered,
    SourceDocument,
)
from klaster_shared.money import Money


def to_message(fact: BudgetFact) -> Message:
    match fact:
        case GrantWasRegistered():
            return _grant_registered(fact)
        case BudgetWasApproved():
            return _budget_approved(fact)
        case CommitmentWasReserved():
            return _step(CommitmentReserved, fact)
        case CommitmentWasRefused():
            return _refused(fact)
        case CommitmentWasConfirmed():
            return _step(CommitmentConfirmed, fact)
        case CommitmentWasConsumed():
            return _step(CommitmentConsumed, fact)
        case CommitmentWasReleased():
            return _step(CommitmentReleased, fact)
        case ExpenditureWasDeclared():
            return _declared(fact)
        case _:
            assert_never(fact)


def _grant_registered(fact: GrantWasRegistered) -> GrantRegistered:
    return GrantRegistered(
        grant_id=fact.grant,
        code=fact.code,
        name=fact.name,
        funder=fact.funder,
        total=_money(fact.total),
        starts_on=fact.period.starts_on,
        ends_on=fact.period.ends_on,
    )


def _budget_approved(fact: BudgetWasApproved) -> BudgetApproved:
    lines = (BudgetLine(code=line.code, name=line.name, category=line.category, planned=_money(line.planned)) for line in fact.lines)
    return BudgetApproved(grant_id=fact.grant, lines=tuple(lines))


def _step[M: (CommitmentReserved, CommitmentConfirmed, CommitmentConsumed, CommitmentReleased)](message: type[M], fact: CommitmentStep) -> M:
    return message(
        commitment_id=fact.commitment,
        event_id=fact.event,
        approval_id=fact.approval,
        grant_id=fact.grant,
        lines=_cost_lines(fact.lines),
        open=_cost_lines(fact.still_open),
    )


def _refused(fact: CommitmentWasRefused) -> CommitmentRefused:
    request, refusal = fact.request, fact.refusal
    return CommitmentRefused(
        commitment_id=fact.commitment,
        event_id=request.event,
        approval_id=request.approval,
        grant_id=request.grant,
        host_organisation_id=request.host_organisation,
        title=LocalisedText(pl=request.title.pl, en=request.title.en),
        reason=refusal.reason.value,
        line_code=refusal.line_code,
        short_by=_money(refusal.short_by) if refusal.short_by else None,
        shortfalls=tuple(Shortfall(line_code=short.line_code, short_by=_money(short.amount)) for short in refusal.shortfalls),
    )


def _declared(fact: ExpenditureWasDeclared) -> ExpenditureDeclared:
    return ExpenditureDeclared(
        expenditure_id=fact.expenditure,
        grant_id=fact.grant,
        line_code=fact.line_code,
        event_id=fact.event,
        document=_source_document(fact.document),
        amount=_money(fact.amount),
        rate=_exchange_rate(fact.rate) if fact.rate else None,
        amount_in_grant_currency=_money(fact.in_grant_currency),
        consumed_from_commitment=_money(fact.from_commitments),
    )


def _source_document(document: Document) -> SourceDocument:
    return SourceDocument(number=document.number, issued_on=document.issued_on, issuer=document.issuer, issuer_nip=document.issuer_nip)


def _exchange_rate(rate: Quotation) -> ExchangeRate:
    return ExchangeRate(value=rate.value, source=rate.source, date=rate.on)


def _cost_lines(lines: tuple[LineAmount, ...]) -> tuple[CostLine, ...]:
    return tuple(CostLine(line_code=line.line_code, amount=_money(line.amount)) for line in lines)


def _money(money: Money) -> MoneyValue:
    return MoneyValue(amount=money.amount, currency=money.currency)
