"""The office enters an exchange rate as a source published it."""

from dataclasses import dataclass

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.errors import RateTaken
from klaster_budget.domain.ids import RateId
from klaster_budget.domain.rates import Quotation, Rate
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRate:
    currency: str
    quotation: Quotation


async def register_rate(command: RegisterRate, work: BudgetWork) -> Rate:
    """Raises RateTaken, and Invalid for what is no currency."""
    quotation = command.quotation
    rate = Rate.registered(RateId(new_id()), command.currency, quotation, by=work.actor, at=work.now)
    if await work.rates.quoted(command.currency, quotation.on, quotation.source) is not None:
        raise RateTaken(command.currency, quotation.on, quotation.source)
    await work.rates.add(rate)
    return rate
