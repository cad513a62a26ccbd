from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from klaster_budget.consumers import build_consumers
from klaster_budget.consumers.accounting import declare_invoice
from klaster_budget.domain.errors import DocumentConflict, LineExceeded, OutsideGrantPeriod, RateMissing
from klaster_budget.domain.facts import ExpenditureWasDeclared
from klaster_budget.testing import InMemoryWork, a_grant, a_rate, an_envelope
from klaster_shared.consuming.handling import Skipped
from klaster_shared.contracts.bodies import ExchangeRate, MoneyValue
from klaster_shared.contracts.inbound import InvoiceBooked
from klaster_shared.errors import Invalid, KlasterError, NotFound


def money(amount: str, currency: str = "PLN") -> MoneyValue:
    return MoneyValue(amount=Decimal(amount), currency=currency)


def invoice(amount: str = "40.00", currency: str = "PLN", **fields: Any) -> InvoiceBooked:
    given = {
        "invoice_number": "FV/1/2011",
        "issuer": "Hotel",
        "issuer_nip": "1234563218",
        "issued_on": date(2011, 9, 1),
        "grant_code": "G",
        "line_code": "travel",
        "amount": money(amount, currency),
    }
    return InvoiceBooked.model_validate(given | fields)


@pytest.fixture
def work() -> InMemoryWork:
    work = InMemoryWork()
    work.holding(a_grant(code="G", travel="100"))
    return work


async def test_a_booked_invoice_is_declared_with_its_source(work: InMemoryWork) -> None:
    work.incoming = an_envelope(source="/accounting/erp")
    assert await declare_invoice(invoice(), work) is None
    (expenditure,) = work.stored.expenditures.values()
    assert (expenditure.source, work.balance("travel")) == ("/accounting/erp", ("0.00", "40.00"))


@pytest.mark.parametrize(
    "again",
    [
        invoice(),
        invoice(issuer="HOTEL"),
        invoice(invoice_number=" fv/1/2011"),
        invoice(issuer_nip="123-456-32-18"),
        invoice("40"),
    ],
)
async def test_the_same_invoice_again_is_a_counted_duplicate_under_any_message(work: InMemoryWork, again: InvoiceBooked) -> None:
    await declare_invoice(invoice(), work)
    work.incoming = an_envelope(source="/accounting/other", message_id="2")
    assert await declare_invoice(again, work) == Skipped("duplicate-document")
    assert [type(fact) for fact in work.facts] == [ExpenditureWasDeclared]


@pytest.mark.parametrize("other", [invoice("41.00"), invoice(issued_on=date(2011, 9, 2)), invoice("40.00", "EUR")])
async def test_the_same_invoice_with_other_content_is_a_conflict(work: InMemoryWork, other: InvoiceBooked) -> None:
    await declare_invoice(invoice(), work)
    with pytest.raises(DocumentConflict) as refused:
        await declare_invoice(other, work)
    assert (refused.value.slug, refused.value.retryable) == ("conflict", False)


@pytest.mark.parametrize(
    ("message", "failure", "tried_again"),
    [
        pytest.param(invoice("100.01"), LineExceeded, False, id="beyond what is open and available"),
        pytest.param(invoice(issued_on=date(2013, 1, 1)), OutsideGrantPeriod, False, id="outside the period"),
        pytest.param(invoice("1.00", "EUR"), RateMissing, True, id="no rate yet"),
        pytest.param(invoice(grant_code="OTHER"), NotFound, True, id="no such grant yet"),
        pytest.param(invoice(line_code="boats"), NotFound, True, id="no such line yet"),
        pytest.param(invoice("0.00"), Invalid, False, id="nothing"),
        pytest.param(invoice("-1.00"), Invalid, False, id="a credit note"),
        pytest.param(invoice("1.001"), Invalid, False, id="a third decimal place"),
        pytest.param(invoice("1.00", "QQQ"), Invalid, False, id="no currency"),
        pytest.param(invoice(issuer_nip="1234563219"), Invalid, False, id="no NIP"),
        pytest.param(invoice(issuer="\u200b"), Invalid, False, id="an issuer nobody sees"),
        pytest.param(invoice(invoice_number="\ufdfa" * 200), Invalid, False, id="a number that folds into thousands of letters"),
    ],
)
async def test_what_cannot_be_declared_is_held_or_tried_again(
    work: InMemoryWork,
    message: InvoiceBooked,
    failure: type[KlasterError],
    tried_again: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    with pytest.raises(failure) as refused:
        await declare_invoice(message, work)
    assert refused.value.retryable is tried_again
    assert work.balance("travel") == ("0.00", "0.00")


async def test_a_rate_on_the_invoice_is_applied(work: InMemoryWork) -> None:
    rate = ExchangeRate(value=Decimal("4.10"), source="contract", date=date(2011, 8, 31))
    await declare_invoice(invoice("10.00", "EUR", rate=rate), work)
    assert work.balance("travel") == ("0.00", "41.00")


async def test_a_stored_rate_of_the_day_is_applied_and_a_repetition_without_a_rate_is_a_duplicate(work: InMemoryWork) -> None:
    await work.rates.add(a_rate("EUR"))
    await declare_invoice(invoice("10.00", "EUR"), work)
    assert work.balance("travel") == ("0.00", "42.50")
    assert await declare_invoice(invoice("10.00", "EUR"), work) == Skipped("duplicate-document")


def test_invoices_are_taken_from_the_allowed_sources_alone() -> None:
    events, accounting = build_consumers(frozenset({"/accounting/erp"}))
    assert (events.sources, accounting.sources) == (None, frozenset({"/accounting/erp"}))
    assert (events.name, accounting.name) == ("budget.events", "budget.accounting")
