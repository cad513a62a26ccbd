"""A document shows money that was spent. The office enters it, or the accounting system reports it: one use case for both."""

from dataclasses import dataclass

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.errors import DocumentAlreadyDeclared, RateMissing
from klaster_budget.domain.expenditure import Claim, Expenditure
from klaster_budget.domain.ids import ExpenditureId, GrantCode, GrantId
from klaster_budget.domain.rates import Quotation
from klaster_shared.errors import Invalid
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareExpenditure:
    """`grant` by its id or by its code; `source` is the channel, for the record."""

    grant: GrantId | GrantCode
    claim: Claim
    source: str


async def declare_expenditure(command: DeclareExpenditure, work: BudgetWork) -> Expenditure:
    """Consumes the event's commitments and takes the rest from the line.

    Raises:
        UnknownGrant, UnknownLine: it may be entered later.
        DocumentAlreadyDeclared: the line has this document, with the same content or with another.
        OutsideGrantPeriod, LineExceeded: the grant cannot bear it.
        RateMissing: the amount cannot be converted yet.
        Invalid: it can never be converted, or a rate is given for the grant's own currency.
    """
    claim = command.claim
    ledger = await work.ledgers.get(command.grant, [claim.line_code])
    before = await work.expenditures.of_document(claim.document, ledger[claim.line_code].id)
    if before is not None:
        raise DocumentAlreadyDeclared(before.id, same_content=before.says_the_same_as(claim))
    ledger.terms.require_in_period(claim.document.issued_on)
    rate = await _rate_for(claim, ledger.currency, work)
    commitments = await work.commitments.open_of(claim.event, ledger.terms.id) if claim.event else []
    expenditure = Expenditure.declared(
        ExpenditureId(new_id()), claim, rate=rate, ledger=ledger, commitments=commitments, source=command.source, by=work.actor, at=work.now
    )
    for commitment in commitments:
        await work.commitments.save(commitment)
    await work.ledgers.save(ledger)
    await work.expenditures.save(expenditure)
    return expenditure


async def _rate_for(claim: Claim, currency: str, work: BudgetWork) -> Quotation | None:
    """None for the grant's own currency; else the rate that was given, else the stored one of the day of issue."""
    if claim.amount.currency == currency:
        if claim.rate is not None:
            raise Invalid("rate", f"the grant is kept in {currency}: none is expected")
        return None
    if claim.rate is not None:
        return claim.rate
    stored = await work.rates.first_registered(claim.amount.currency, claim.document.issued_on)
    if stored is None:
        raise RateMissing(claim.amount.currency, claim.document.issued_on)
    return stored.quotation
