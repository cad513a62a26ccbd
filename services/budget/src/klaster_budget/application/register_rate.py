"""The office enters an exchange rate as a source published it."""

from dataclasses import dataclass

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.ids import RateId
from klaster_budget.domain.rates import Quotation, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRate:
    rate: RateId
    currency: str
    quotation: Quotation


async def register_rate(command: RegisterRate, work: BudgetWork) -> Rate:
    rate = Rate.registered(command.rate, command.currency, command.quotation, by=work.actor, at=work.now)
    await work.rates.add(rate)
    return rate
