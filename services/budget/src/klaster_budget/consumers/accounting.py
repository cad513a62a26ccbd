"""Everything the budget hears from accounting systems: an invoice was booked, thus money was spent."""

from typing import Protocol

from klaster_budget.application.declare_expenditure import DeclareExpenditure, declare_expenditure
from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.documents import document
from klaster_budget.domain.errors import DocumentAlreadyDeclared, DocumentConflict
from klaster_budget.domain.expenditure import Claim
from klaster_budget.domain.ids import EventId, GrantCode
from klaster_budget.domain.rates import Quotation
from klaster_shared.consuming.handling import Skipped, handlers
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.contracts.inbound import InvoiceBooked
from klaster_shared.money import Money


class ReceivingWork(BudgetWork, Protocol):
    """A transaction in which a message is being handled."""

    @property
    def incoming(self) -> Envelope: ...


async def declare_invoice(message: InvoiceBooked, work: ReceivingWork) -> Skipped | None:
    """A document that is declared already is a duplicate when it says the same, whatever the message's id; else DocumentConflict."""
    command = DeclareExpenditure(grant=GrantCode(message.grant_code), claim=_claim(message), source=work.incoming.source)
    try:
        await declare_expenditure(command, work)
    except DocumentAlreadyDeclared as known:
        if known.same_content:
            return Skipped("duplicate-document")
        raise DocumentConflict(known.declared) from None
    return None


HANDLERS = handlers(InvoiceBooked=declare_invoice)


def _claim(message: InvoiceBooked) -> Claim:
    rate = message.rate
    return Claim(
        line_code=message.line_code,
        event=EventId(message.event_id) if message.event_id else None,
        document=document(number=message.invoice_number, issued_on=message.issued_on, issuer=message.issuer, issuer_nip=message.issuer_nip),
        amount=Money(message.amount.amount, message.amount.currency),
        rate=Quotation(value=rate.value, source=rate.source, on=rate.date) if rate else None,
    )
