"""Money as a value: an exact amount of one currency, in that currency's minor digits.

The one rule: no operation loses or invents a minor unit. What does not fit (too many digits, another currency) is refused, a
split always sums to what was split, and only `convert` rounds. Currencies are those of ISO 4217 as CLDR lists them, retired ones
included, because old projects were paid for in them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import cache
from math import floor
from typing import Final

from babel.core import get_global
from babel.numbers import get_currency_precision

from klaster_shared.errors import Invalid

MOST_DIGITS: Final = 15
"""Of an amount, minor digits included. PLN thus reaches 9 999 999 999 999.99."""

_PLAIN_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")

# Wide enough for the exact product of two numbers that were themselves accepted, so that rounding happens once.
_EXACT: Final = Context(prec=80)


class CurrencyMismatch(Invalid):
    """Amounts of different currencies cannot be added, subtracted or compared. Convert one of them first."""

    slug = "currency-mismatch"

    def __init__(self, left: str, right: str) -> None:
        super().__init__("currency", f"{left} and {right} do not mix")
        self.left = left
        self.right = right


@cache
def _minor_digits() -> dict[str, int]:
    return {code: get_currency_precision(code) for code in get_global("all_currencies")}


def minor_digits(currency: str) -> int:
    """How many decimal places amounts of this currency have. Raises Invalid for what is no ISO 4217 code."""
    digits = _minor_digits().get(currency)
    if digits is None:
        raise Invalid("currency", "not a currency code of ISO 4217, such as PLN")
    return digits


def _refuse_too_many_digits(amount: Decimal, places: int) -> None:
    """Digits are counted with the minor ones filled in, as the amount will be written."""
    if amount and amount.adjusted() + 1 + places > MOST_DIGITS:
        raise Invalid("amount", f"more than {MOST_DIGITS} digits")


def _too_many_places(currency: str, places: int) -> Invalid:
    return Invalid("amount", f"{currency} has at most {places} decimal places")


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` always has exactly the currency's minor digits; zeros beyond them, as a database column may add, are dropped. Raises
    Invalid for any other number than a finite one that fits.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        places = minor_digits(self.currency)
        if not self.amount.is_finite():
            raise Invalid("amount", "not a finite number")
        _refuse_too_many_digits(self.amount, places)
        amount = self.amount.quantize(Decimal(1).scaleb(-places), context=_EXACT)
        if amount != self.amount:
            raise _too_many_places(self.currency, places)
        object.__setattr__(self, "amount", amount + 0)  # a zero has no sign

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Reads plain decimal text such as `1234.50`, with at most the currency's minor digits as written. Raises Invalid."""
        if _PLAIN_DECIMAL.fullmatch(text) is None:
            raise Invalid("amount", "not a decimal number such as 1234.50")
        if len(text.partition(".")[2]) > (places := minor_digits(currency)):
            raise _too_many_places(currency, places)
        return cls(Decimal(text), currency)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        return cls(Decimal(0), currency)

    @classmethod
    def sum(cls, parts: Iterable["Money"], currency: str) -> "Money":
        """The sum of any number of amounts, also of none. Raises CurrencyMismatch, and Invalid when the sum does not fit."""
        total = cls.zero(currency)
        for part in parts:
            total += part
        return total

    def __str__(self) -> str:
        return f"{self.text} {self.currency}"

    @property
    def text(self) -> str:
        """The amount as the wire writes it: `1234.50`."""
        return format(self.amount, "f")

    @property
    def is_zero(self) -> bool:
        return not self.amount

    @property
    def is_positive(self) -> bool:
        return self.amount > 0

    @property
    def is_negative(self) -> bool:
        return self.amount < 0

    def __add__(self, other: "Money") -> "Money":
        return Money(_EXACT.add(self.amount, self._same(other)), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(_EXACT.subtract(self.amount, self._same(other)), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount >= self._same(other)

    def split(self, weights: Sequence[Decimal | int]) -> tuple["Money", ...]:
        """One part per weight, in proportion, by largest remainder; equal remainders favour the earlier part. The parts sum exactly to
        the whole, and none has the opposite sign. Raises Invalid for negative weights, and when none is positive.
        """
        if any(weight < 0 for weight in weights) or not any(weights):
            raise Invalid("weights", "needs a weight above zero and none below")
        places, sign = minor_digits(self.currency), -1 if self.is_negative else 1
        units = abs(int(self.amount.scaleb(places)))
        whole = sum(map(Fraction, weights))
        quotas = [units * Fraction(weight) / whole for weight in weights]
        parts = [floor(quota) for quota in quotas]
        largest_remainder_first = sorted(range(len(parts)), key=lambda index: parts[index] - quotas[index])
        for index in largest_remainder_first[: units - sum(parts)]:
            parts[index] += 1
        return tuple(Money(Decimal(sign * part).scaleb(-places), self.currency) for part in parts)

    def convert(self, rate: Decimal, currency: str) -> "Money":
        """In another currency, of which one unit of this one is worth `rate`; half a minor unit is rounded away from zero. Raises
        Invalid for a rate that is no positive number, and for a result that does not fit.
        """
        if not rate.is_finite() or rate <= 0:
            raise Invalid("rate", "not a positive number")
        places = minor_digits(currency)
        product = _EXACT.multiply(self.amount, rate)
        _refuse_too_many_digits(product, places)
        return Money(product.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=_EXACT), currency)

    def _same(self, other: "Money") -> Decimal:
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return other.amount
