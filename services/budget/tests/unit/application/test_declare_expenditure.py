from datetime import date

import pytest

from klaster_budget.application.declare_expenditure import DeclareExpenditure, declare_expenditure
from klaster_budget.application.reserve_commitment import reserve_commitment
from klaster_budget.domain.errors import DocumentAlreadyDeclared, OutsideGrantPeriod, RateMissing, UnknownLine
from klaster_budget.domain.expenditure import Claim, Expenditure
from klaster_budget.domain.facts import CommitmentWasConsumed, ExpenditureWasDeclared
from klaster_budget.domain.ids import EventId, GrantCode, GrantId
from klaster_budget.testing import InMemoryWork, a_claim, a_document, a_grant, a_quotation, a_rate, a_request, costs, eur, pln
from klaster_shared.errors import Invalid, NotFound
from klaster_shared.ids import new_id


@pytest.fixture
def work() -> InMemoryWork:
    work = InMemoryWork()
    work.holding(a_grant(code=THE_GRANT, travel="100", venue="100"))
    return work


THE_GRANT = GrantCode("G")


async def declare(work: InMemoryWork, claim: Claim, grant: GrantId | GrantCode = THE_GRANT) -> Expenditure:
    return await declare_expenditure(DeclareExpenditure(grant=grant, claim=claim, source="http"), work)


async def test_an_expenditure_is_declared_on_its_line(work: InMemoryWork) -> None:
    await declare(work, a_claim("40"))
    assert work.balance("travel") == ("0.00", "40.00")


async def test_a_grant_is_cited_by_id_or_by_code(work: InMemoryWork) -> None:
    (grant,) = work.stored.grants
    by_id = await declare(work, a_claim("1", of=a_document("1")), grant)
    by_code = await declare(work, a_claim("1", of=a_document("2")), THE_GRANT)
    assert by_id.grant == by_code.grant == grant


async def test_money_reserved_for_the_event_is_consumed_in_the_same_breath(work: InMemoryWork) -> None:
    (grant,) = work.stored.grants
    event = EventId(new_id())
    await reserve_commitment(a_request(*costs(travel="100"), grant=grant, event=event), work)
    work.facts.clear()
    expenditure = await declare(work, a_claim("40", event=event))
    assert expenditure.from_commitments == pln("40")
    assert work.balance("travel") == ("60.00", "40.00")
    assert [type(fact) for fact in work.facts] == [CommitmentWasConsumed, ExpenditureWasDeclared]


async def test_an_event_that_reserved_nothing_takes_from_the_line(work: InMemoryWork) -> None:
    expenditure = await declare(work, a_claim("40", event=EventId(new_id())))
    assert expenditure.from_commitments.is_zero


@pytest.mark.parametrize(("amount", "same"), [("40", True), ("41", False)])
async def test_a_document_counts_once_per_line(work: InMemoryWork, amount: str, same: bool) -> None:  # noqa: FBT001 - a column of the table above
    first = await declare(work, a_claim("40"))
    with pytest.raises(DocumentAlreadyDeclared) as refused:
        await declare(work, a_claim(amount))
    assert (refused.value.declared, refused.value.same_content) == (first.id, same)
    assert work.balance("travel") == ("0.00", "40.00")


async def test_a_document_that_exhausted_its_line_is_still_known_as_a_duplicate(work: InMemoryWork) -> None:
    await declare(work, a_claim("100"))
    with pytest.raises(DocumentAlreadyDeclared):
        await declare(work, a_claim("100"))


async def test_one_document_may_be_split_over_lines(work: InMemoryWork) -> None:
    await declare(work, a_claim("40", line="travel"))
    await declare(work, a_claim("60", line="venue"))
    assert (work.balance("travel"), work.balance("venue")) == (("0.00", "40.00"), ("0.00", "60.00"))


async def test_a_rate_that_is_given_goes_before_a_stored_one(work: InMemoryWork) -> None:
    await work.rates.add(a_rate("EUR", a_quotation("5")))
    expenditure = await declare(work, a_claim(eur("10"), rate=a_quotation("4", source="contract", on=date(2011, 8, 31))))
    assert expenditure.in_grant_currency == pln("40")


async def test_without_a_rate_the_stored_one_of_the_day_of_issue_is_used(work: InMemoryWork) -> None:
    await work.rates.add(a_rate("EUR", a_quotation("4.5")))
    expenditure = await declare(work, a_claim(eur("10")))
    assert (expenditure.in_grant_currency, expenditure.rate) == (pln("45"), a_quotation("4.5"))


async def test_of_several_stored_rates_the_first_registered_counts(work: InMemoryWork) -> None:
    await work.rates.add(a_rate("EUR", a_quotation("4.5", source="NBP")))
    await work.rates.add(a_rate("EUR", a_quotation("4.6", source="ECB")))
    assert (await declare(work, a_claim(eur("10")))).in_grant_currency == pln("45")


@pytest.mark.parametrize("day", [date(2011, 8, 31), date(2011, 9, 2)])
async def test_a_rate_of_another_day_does_not_count(work: InMemoryWork, day: date) -> None:
    await work.rates.add(a_rate("EUR", a_quotation(on=day)))
    with pytest.raises(RateMissing) as missing:
        await declare(work, a_claim(eur("10")))
    assert missing.value.retryable


async def test_a_rate_for_the_grants_own_currency_is_refused(work: InMemoryWork) -> None:
    with pytest.raises(Invalid) as refused:
        await declare(work, a_claim("10", rate=a_quotation()))
    assert refused.value.field == "rate"


async def test_a_document_issued_outside_the_grants_period_is_refused(work: InMemoryWork) -> None:
    with pytest.raises(OutsideGrantPeriod):
        await declare(work, a_claim(of=a_document(issued_on=date(2013, 1, 1))))


async def test_an_unknown_grant_may_become_known_later(work: InMemoryWork) -> None:
    with pytest.raises(NotFound) as missing:
        await declare(work, a_claim(), GrantCode("ANOTHER"))
    assert missing.value.retryable


async def test_an_unknown_line_may_become_known_later(work: InMemoryWork) -> None:
    with pytest.raises(UnknownLine) as missing:
        await declare(work, a_claim(line="boats"))
    assert missing.value.retryable
