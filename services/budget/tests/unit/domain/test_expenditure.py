from datetime import date
from decimal import Decimal

import pytest

from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.errors import LineExceeded
from klaster_budget.domain.expenditure import Claim, Expenditure
from klaster_budget.domain.facts import ExpenditureWasDeclared
from klaster_budget.domain.ids import CommitmentId, EventId, ExpenditureId
from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.rates import Quotation
from klaster_budget.testing import NOON, a_claim, a_document, a_ledger, a_quotation, a_request, costs, eur, pln
from klaster_shared.errors import Invalid
from klaster_shared.ids import new_id
from klaster_shared.money import Money


def declared(claim: Claim, ledger: Ledger, *commitments: Commitment, rate: Quotation | None = None) -> Expenditure:
    return Expenditure.declared(ExpenditureId(new_id()), claim, rate=rate, ledger=ledger, commitments=commitments, source="http", by="local", at=NOON)


def reserved(ledger: Ledger, **amounts: str) -> Commitment:
    return Commitment.answering(CommitmentId(new_id()), a_request(*costs(**amounts)), ledger, at=NOON)


def test_an_expenditure_consumes_what_is_open_and_takes_the_rest_from_the_line() -> None:
    ledger = a_ledger(travel="100")
    commitment = reserved(ledger, travel="30")
    expenditure = declared(a_claim("50"), ledger, commitment)
    assert expenditure.from_commitments == pln("30")
    assert (ledger["travel"].committed, ledger["travel"].declared) == (pln("0"), pln("50"))


def test_an_expenditure_below_what_is_open_leaves_the_rest_reserved() -> None:
    ledger = a_ledger(travel="100")
    commitment = reserved(ledger, travel="30")
    assert declared(a_claim("10"), ledger, commitment).from_commitments == pln("10")
    assert (ledger["travel"].committed, commitment.lines[0].open) == (pln("20"), pln("20"))


def test_several_commitments_of_the_event_are_consumed_in_their_order() -> None:
    ledger = a_ledger(travel="100")
    first, second = reserved(ledger, travel="30"), reserved(ledger, travel="30")
    declared(a_claim("40"), ledger, first, second)
    assert (first.lines[0].open, second.lines[0].open) == (pln("0"), pln("20"))


def test_money_reserved_on_another_line_is_not_touched() -> None:
    ledger = a_ledger(travel="100", venue="100")
    commitment = reserved(ledger, venue="30")
    assert declared(a_claim("10", line="travel"), ledger, commitment).from_commitments.is_zero


def test_beyond_what_is_open_and_available_the_whole_expenditure_is_refused() -> None:
    ledger = a_ledger(travel="100")
    reserved(ledger, travel="50")
    mine = reserved(ledger, travel="20")
    mine.stored()
    with pytest.raises(LineExceeded) as refused:
        declared(a_claim("50.01"), ledger, mine)
    assert refused.value.fields["short_by"] == {"amount": "0.01", "currency": "PLN"}
    assert not mine.is_changed


@pytest.mark.parametrize(
    ("amount", "rate", "converted"),
    [
        (eur("100"), "4.25", "425.00"),
        (eur("0.10"), "0.05", "0.01"),
        (eur("1.01"), "4.5049505", "4.55"),
        (eur("3"), "1.33500000", "4.01"),
        (eur("3"), "1.33499999", "4.00"),
        (Money(Decimal(1000), "JPY"), "0.0385", "38.50"),
        (Money(Decimal("10.00"), "LVL"), "5.9123", "59.12"),
    ],
)
def test_another_currency_is_converted_half_up_to_the_minor_unit(amount: Money, rate: str, converted: str) -> None:
    expenditure = declared(a_claim(amount), a_ledger(travel="1000"), rate=a_quotation(rate))
    assert expenditure.in_grant_currency == pln(converted)
    assert expenditure.amount == amount


@pytest.mark.parametrize(
    ("amount", "rate"),
    [pytest.param(eur("0.01"), "0.4", id="nothing is left"), pytest.param(eur("9999999999999.99"), "1000", id="too many digits")],
)
def test_an_amount_that_cannot_be_converted_is_refused(amount: Money, rate: str) -> None:
    with pytest.raises(Invalid):
        declared(a_claim(amount), a_ledger(travel="1000"), rate=a_quotation(rate))


@pytest.mark.parametrize("amount", ["0", "-5"])
def test_what_is_not_above_zero_is_no_claim(amount: str) -> None:
    with pytest.raises(Invalid):
        a_claim(amount)


def test_the_fact_carries_what_the_expenditure_says() -> None:
    expenditure = declared(a_claim(eur("10")), a_ledger(travel="100"), rate=a_quotation("4"))
    (fact,) = expenditure.facts
    assert isinstance(fact, ExpenditureWasDeclared)
    assert (fact.amount, fact.in_grant_currency, fact.from_commitments) == (eur("10"), pln("40"), pln("0"))


EVENT = EventId(new_id())
BOOKED = a_claim(eur("10"), event=EVENT, rate=a_quotation("4"))


@pytest.mark.parametrize(
    ("again", "same"),
    [
        pytest.param(BOOKED, True, id="word for word"),
        pytest.param(a_claim(eur("10"), event=EVENT), True, id="without a rate"),
        pytest.param(a_claim(eur("10.00"), event=EVENT, rate=a_quotation("4.0000")), True, id="numbers written otherwise"),
        pytest.param(
            a_claim(eur("10"), event=EVENT, rate=a_quotation("4"), of=a_document(issuer="HOTEL")), True, id="the issuer's name written otherwise"
        ),
        pytest.param(a_claim(eur("10.01"), event=EVENT, rate=a_quotation("4")), False, id="another amount"),
        pytest.param(a_claim("10", event=EVENT), False, id="another currency"),
        pytest.param(a_claim(eur("10"), rate=a_quotation("4")), False, id="no event"),
        pytest.param(a_claim(eur("10"), event=EVENT, rate=a_quotation("4.1")), False, id="another rate"),
        pytest.param(
            a_claim(eur("10"), event=EVENT, rate=a_quotation("4"), of=a_document(issued_on=date(2011, 9, 2))), False, id="another day of issue"
        ),
    ],
)
def test_a_second_claim_of_a_document_is_compared_by_its_content(again: Claim, same: bool) -> None:  # noqa: FBT001 - a column of the table above
    expenditure = declared(BOOKED, a_ledger(travel="100"), rate=BOOKED.rate)
    assert expenditure.says_the_same_as(again) is same
