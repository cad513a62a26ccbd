import pytest

from klaster_budget.application.register_grant import RegisterGrant, register_grant
from klaster_budget.application.register_rate import RegisterRate, register_rate
from klaster_budget.domain.errors import GrantCodeTaken, RateTaken
from klaster_budget.domain.facts import BudgetWasApproved, GrantWasRegistered
from klaster_budget.domain.ids import GrantCode
from klaster_budget.testing import NOON, InMemoryWork, a_grant, a_quotation


def a_command(code: str = "MRPO-8.2") -> RegisterGrant:
    grant = a_grant(travel="100")
    return RegisterGrant(
        code=GrantCode(code),
        name=grant.name,
        funder=grant.funder,
        total=grant.total,
        period=grant.period,
        lines=grant.lines,
    )


async def test_a_registered_grant_is_stored_with_both_facts_and_who_entered_it() -> None:
    work = InMemoryWork(actor="office")
    grant = await register_grant(a_command(), work)
    assert (grant.version, grant.registered_by, grant.registered_at) == (2, "office", NOON)
    assert [type(fact) for fact in work.facts] == [GrantWasRegistered, BudgetWasApproved]


async def test_a_code_names_one_grant() -> None:
    work = InMemoryWork()
    await register_grant(a_command("A"), work)
    with pytest.raises(GrantCodeTaken):
        await register_grant(a_command("A"), work)


async def test_a_rate_is_registered_once_per_currency_day_and_source() -> None:
    work = InMemoryWork()
    await register_rate(RegisterRate(currency="EUR", quotation=a_quotation("4.25")), work)
    await register_rate(RegisterRate(currency="EUR", quotation=a_quotation("4.26", source="ECB")), work)
    with pytest.raises(RateTaken):
        await register_rate(RegisterRate(currency="EUR", quotation=a_quotation("4.30")), work)
