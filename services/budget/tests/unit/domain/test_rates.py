from decimal import Decimal

import pytest

from klaster_budget.domain.ids import RateId
from klaster_budget.domain.rates import Rate
from klaster_budget.testing import NOON, a_quotation
from klaster_shared.errors import Invalid
from klaster_shared.ids import new_id


@pytest.mark.parametrize("value", ["4.25", "0.00000001", "123456"])
def test_a_rate_above_zero_with_at_most_eight_places_is_kept_as_it_is(value: str) -> None:
    assert a_quotation(value).value == Decimal(value)


@pytest.mark.parametrize("value", ["0", "-1", "0.000000001", "NaN", "Infinity"])
def test_any_other_number_is_no_rate(value: str) -> None:
    with pytest.raises(Invalid):
        a_quotation(value)


@pytest.mark.parametrize("currency", ["EUR", "GBP", "LVL"])
def test_rates_of_current_and_retired_currencies_can_be_registered(currency: str) -> None:
    assert Rate.registered(RateId(new_id()), currency, a_quotation(), by="local", at=NOON).currency == currency


def test_what_is_no_currency_has_no_rate() -> None:
    with pytest.raises(Invalid):
        Rate.registered(RateId(new_id()), "QQQ", a_quotation(), by="local", at=NOON)
