from datetime import date

import pytest

from klaster_budget.domain.errors import OutsideGrantPeriod
from klaster_budget.domain.facts import BudgetWasApproved, GrantWasRegistered
from klaster_budget.domain.grant import MOST_LINES, Grant
from klaster_budget.domain.ids import GrantCode, GrantId, LineId
from klaster_budget.domain.plan import GrantTerms, Period, PlannedLine
from klaster_budget.testing import NOON, PROJECT_PERIOD, a_grant, eur, pln
from klaster_shared.errors import Invalid
from klaster_shared.ids import new_id
from klaster_shared.money import Money


def a_line(code: str = "travel", planned: Money | None = None) -> PlannedLine:
    return PlannedLine(id=LineId(new_id()), code=code, name="Travel", category="travel", planned=pln("10") if planned is None else planned)


def registered(*lines: PlannedLine, total: Money | None = None) -> Grant:
    return Grant.registered(
        GrantId(new_id()),
        code=GrantCode("G"),
        name="Grant",
        funder="Funder",
        total=total or pln("1000"),
        period=PROJECT_PERIOD,
        lines=lines,
        by="local",
        at=NOON,
    )


def test_registering_a_grant_also_approves_its_budget() -> None:
    grant = a_grant(travel="100", venue="50")
    assert [type(fact) for fact in grant.facts] == [GrantWasRegistered, BudgetWasApproved]
    assert grant.facts[1].lines == grant.lines


def test_lines_may_plan_exactly_the_total() -> None:
    assert registered(a_line("a"), a_line("b"), total=pln("20")).total == pln("20")


@pytest.mark.parametrize(
    ("lines", "total", "field"),
    [
        pytest.param([], pln("1"), "lines", id="no line at all"),
        pytest.param([a_line(str(number)) for number in range(MOST_LINES + 1)], pln("99999"), "lines", id="too many lines"),
        pytest.param([a_line("a"), a_line("b")], pln("19.99"), "lines", id="more planned than the total"),
        pytest.param([a_line("a"), a_line("a")], pln("100"), "lines.1.code", id="a code given twice"),
        pytest.param([a_line("a", eur("1"))], pln("100"), "lines.0.planned", id="another currency than the total"),
        pytest.param([a_line("a", pln("-0.01"))], pln("100"), "lines.0.planned", id="a negative plan"),
        pytest.param([a_line()], pln("0"), "total", id="a total of nothing"),
    ],
)
def test_a_budget_that_is_none_is_refused_by_the_field_at_fault(lines: list[PlannedLine], total: Money, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        registered(*lines, total=total)
    assert refused.value.field == field


def test_lines_whose_sum_has_more_digits_than_an_amount_are_refused_as_too_much() -> None:
    most = pln("9999999999999.99")
    with pytest.raises(Invalid) as refused:
        registered(a_line("a", most), a_line("b", most), total=most)
    assert refused.value.field == "lines"


def test_a_period_cannot_end_before_it_starts() -> None:
    with pytest.raises(Invalid):
        Period(starts_on=date(2011, 4, 2), ends_on=date(2011, 4, 1))


@pytest.mark.parametrize("day", [date(2011, 4, 1), date(2011, 12, 1), date(2012, 12, 31)])
def test_documents_of_the_period_are_accepted_with_its_first_and_last_day(day: date) -> None:
    terms_of_the_project().require_in_period(day)


@pytest.mark.parametrize("day", [date(2011, 3, 31), date(2013, 1, 1)])
def test_documents_issued_outside_the_period_are_refused(day: date) -> None:
    with pytest.raises(OutsideGrantPeriod):
        terms_of_the_project().require_in_period(day)


def terms_of_the_project() -> GrantTerms:
    return GrantTerms(id=GrantId(new_id()), code=GrantCode("G"), currency="PLN", period=PROJECT_PERIOD)
