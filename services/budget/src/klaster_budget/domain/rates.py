"""Exchange rates as they were published, and which of them an expenditure is converted by.

The one rule: a rate never changes once it is stored, and a rate that is stored later changes no answer that was given before.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Self

from klaster_budget.domain.ids import RateId
from klaster_shared.clock import Instant
from klaster_shared.errors import Invalid
from klaster_shared.money import minor_digits

MOST_PLACES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """`value` units of the grant's currency for one unit of the other, as `source` published it for the day `on`. Raises Invalid
    unless the value is above zero with at most 8 decimal places.
    """

    value: Decimal
    source: str
    on: date

    def __post_init__(self) -> None:
        if not self.value.is_finite() or self.value <= 0:
            raise Invalid("value", "a number above zero is expected")
        if -int(self.value.as_tuple().exponent) > MOST_PLACES:
            raise Invalid("value", f"at most {MOST_PLACES} decimal places are expected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A stored quotation of a currency. Several sources may quote one currency on one day."""

    id: RateId
    currency: str
    quotation: Quotation
    registered_by: str
    registered_at: Instant

    @classmethod
    def registered(cls, key: RateId, currency: str, quotation: Quotation, *, by: str, at: Instant) -> Self:
        """Raises Invalid for what is no currency of ISO 4217, retired ones included."""
        minor_digits(currency)
        return cls(id=key, currency=currency, quotation=quotation, registered_by=by, registered_at=at)
