from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaster_shared.errors import Invalid, Kind
from klaster_shared.money import CurrencyMismatch, Money, minor_digits

CURRENCIES = st.sampled_from(["PLN", "EUR", "LVL", "JPY", "KWD"])
WEIGHTS = st.lists(st.integers(0, 10**9) | st.decimals(0, 10**6, places=6), min_size=1, max_size=12).filter(any)


def pln(text: str) -> Money:
    return Money.parse(text, "PLN")


@st.composite
def amounts(draw: st.DrawFn) -> Money:
    currency = draw(CURRENCIES)
    units = draw(st.integers(-(10**15) + 1, 10**15 - 1))
    return Money(Decimal(units).scaleb(-minor_digits(currency)), currency)


@pytest.mark.parametrize(("currency", "digits"), [("PLN", 2), ("EUR", 2), ("LVL", 2), ("JPY", 0), ("KWD", 3)])
def test_currencies_have_their_minor_digits_also_retired_ones(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("currency", ["", "pln", "ZZZ", "PLNX", "złt"])
def test_what_is_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(Invalid) as refused:
        Money(Decimal(1), currency)
    assert refused.value.field == "currency"
    assert refused.value.kind is Kind.INVALID


@pytest.mark.parametrize(("given_text", "written"), [("1234.5", "1234.50"), ("0", "0.00"), ("-0", "0.00"), ("-0.01", "-0.01"), ("007", "7.00")])
def test_an_amount_is_written_with_all_its_minor_digits(given_text: str, written: str) -> None:
    assert pln(given_text).text == written


def test_zeros_that_a_database_column_adds_are_dropped() -> None:
    assert Money(Decimal("1234.5000"), "PLN").text == "1234.50"
    assert Money(Decimal("100.00"), "JPY").text == "100"


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "sNaN", "1.501", "1E-40", "1E+14", "10000000000000", "1E+999999"])
def test_a_number_that_does_not_fit_is_refused(number: str) -> None:
    with pytest.raises(Invalid) as refused:
        Money(Decimal(number), "PLN")
    assert refused.value.field == "amount"


@pytest.mark.parametrize("text", ["", "1,50", "1e3", " 1", "+1", "1.", ".5", "NaN", "1_000", "1\n", "\u0661", "1.500", "1.505"])
def test_only_plain_text_with_the_right_places_is_read(text: str) -> None:
    with pytest.raises(Invalid):
        pln(text)


def test_the_largest_amount_has_fifteen_digits_with_the_minor_ones() -> None:
    assert pln("9999999999999.99").text == "9999999999999.99"
    assert Money.parse("999999999999999", "JPY").text == "999999999999999"


def test_a_sum_that_does_not_fit_is_refused() -> None:
    with pytest.raises(Invalid, match="15 digits"):
        pln("9999999999999.99") + pln("0.01")


def test_equal_amounts_are_equal_however_they_were_given() -> None:
    assert {pln("1.5"), pln("1.50"), Money(Decimal("1.5"), "PLN")} == {pln("1.50")}


def test_different_currencies_are_never_equal() -> None:
    assert pln("1") != Money.parse("1", "EUR")


def test_amounts_of_one_currency_add_subtract_negate_and_compare() -> None:
    assert pln("1.50") + pln("0.51") == pln("2.01")
    assert pln("1.50") - pln("2") == pln("-0.50")
    assert -pln("1.50") == pln("-1.50")
    assert pln("1") < pln("2") <= pln("2")
    assert pln("2") > pln("1") >= pln("1")
    assert min(pln("3"), pln("2")) == pln("2")


@pytest.mark.parametrize("operation", ["__add__", "__sub__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_currencies_do_not_mix(operation: str) -> None:
    with pytest.raises(CurrencyMismatch) as refused:
        getattr(pln("1"), operation)(Money.parse("1", "EUR"))
    assert (refused.value.left, refused.value.right) == ("PLN", "EUR")
    assert refused.value.kind is Kind.INVALID


def test_the_sign_is_asked_in_words() -> None:
    assert [(money.is_negative, money.is_zero, money.is_positive) for money in map(pln, ("-1", "0", "1"))] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


def test_any_number_of_amounts_can_be_summed() -> None:
    assert Money.sum([], "PLN") == Money.zero("PLN")
    assert Money.sum(map(pln, ("0.10", "0.20", "-0.05")), "PLN") == pln("0.25")
    with pytest.raises(CurrencyMismatch):
        Money.sum([Money.parse("1", "EUR")], "PLN")


def test_it_reads_as_amount_and_currency() -> None:
    assert str(pln("-1234.5")) == "-1234.50 PLN"


def test_a_split_gives_what_is_left_over_to_the_largest_remainders() -> None:
    assert pln("100").split([1, 1, 1]) == (pln("33.34"), pln("33.33"), pln("33.33"))
    assert pln("0.05").split([Decimal("0.7"), Decimal("0.3")]) == (pln("0.04"), pln("0.01"))
    assert pln("-0.05").split([1, 3]) == (pln("-0.01"), pln("-0.04"))


def test_who_has_no_weight_gets_nothing() -> None:
    assert pln("0.01").split([0, 0, 5]) == (pln("0"), pln("0"), pln("0.01"))


@pytest.mark.parametrize("weights", [[], [0, 0], [2, -1]])
def test_weights_must_divide_something(weights: list[Decimal | int]) -> None:
    with pytest.raises(Invalid) as refused:
        pln("1").split(weights)
    assert refused.value.field == "weights"


@given(amounts(), WEIGHTS)
@settings(deadline=None)
def test_the_parts_of_a_split_sum_to_the_whole(money: Money, weights: list[Decimal | int]) -> None:
    assert Money.sum(money.split(weights), money.currency) == money


@given(amounts(), WEIGHTS)
@settings(deadline=None)
def test_no_part_of_a_split_is_a_whole_unit_off_its_share(money: Money, weights: list[Decimal | int]) -> None:
    unit = Fraction(1, 10 ** minor_digits(money.currency))
    whole = sum(map(Fraction, weights))
    for part, weight in zip(money.split(weights), weights, strict=True):
        assert abs(Fraction(part.amount) - Fraction(money.amount) * Fraction(weight) / whole) < unit


@given(amounts(), WEIGHTS)
@settings(deadline=None)
def test_no_part_of_a_split_has_the_opposite_sign(money: Money, weights: list[Decimal | int]) -> None:
    assert all(part.is_zero or part.is_negative == money.is_negative for part in money.split(weights))


@pytest.mark.parametrize(
    ("amount", "rate", "converted"),
    [("1.00", "4.3567", "4.36"), ("0.50", "0.01", "0.01"), ("-0.50", "0.01", "-0.01"), ("0.49", "0.01", "0.00"), ("1101.75", "4.3567", "4799.99")],
)
def test_conversion_rounds_half_a_minor_unit_up(amount: str, rate: str, converted: str) -> None:
    assert Money.parse(amount, "EUR").convert(Decimal(rate), "PLN") == pln(converted)


def test_conversion_goes_to_the_minor_digits_of_the_other_currency() -> None:
    assert pln("10").convert(Decimal("37.65"), "JPY") == Money.parse("377", "JPY")


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_a_rate_is_a_positive_number(rate: str) -> None:
    with pytest.raises(Invalid) as refused:
        pln("1").convert(Decimal(rate), "EUR")
    assert refused.value.field == "rate"


def test_a_conversion_that_does_not_fit_is_refused() -> None:
    with pytest.raises(Invalid, match="15 digits"):
        pln("9999999999999").convert(Decimal(1000), "PLN")


@given(amounts())
@settings(deadline=None)
def test_text_gives_the_amount_back(money: Money) -> None:
    assert Money.parse(money.text, money.currency) == money
