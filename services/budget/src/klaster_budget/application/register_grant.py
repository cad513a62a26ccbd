"""The office enters a grant together with the budget that its funder approved."""

from collections.abc import Sequence
from dataclasses import dataclass

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.errors import GrantCodeTaken
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import GrantCode, GrantId
from klaster_budget.domain.plan import Period, PlannedLine
from klaster_shared.ids import new_id
from klaster_shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterGrant:
    code: GrantCode
    name: str
    funder: str
    total: Money
    period: Period
    lines: Sequence[PlannedLine]


async def register_grant(command: RegisterGrant, work: BudgetWork) -> Grant:
    """Raises GrantCodeTaken, and Invalid when the lines do not make a budget of the total."""
    grant = Grant.registered(
        GrantId(new_id()),
        code=command.code,
        name=command.name,
        funder=command.funder,
        total=command.total,
        period=command.period,
        lines=command.lines,
        by=work.actor,
        at=work.now,
    )
    if await work.grants.coded(command.code) is not None:
        raise GrantCodeTaken(command.code)
    await work.grants.save(grant)
    return grant
