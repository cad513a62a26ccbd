"""The office enters a grant together with the budget that its funder approved."""

from collections.abc import Sequence
from dataclasses import dataclass

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import GrantCode, GrantId
from klaster_budget.domain.plan import Period, PlannedLine
from klaster_shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterGrant:
    grant: GrantId
    code: GrantCode
    name: str
    funder: str
    total: Money
    period: Period
    lines: Sequence[PlannedLine]


async def register_grant(command: RegisterGrant, work: BudgetWork) -> Grant:
    grant = Grant.registered(
        command.grant,
        code=command.code,
        name=command.name,
        funder=command.funder,
        total=command.total,
        period=command.period,
        lines=command.lines,
        by=work.actor,
        at=work.now,
    )
    await work.grants.save(grant)
    return grant
