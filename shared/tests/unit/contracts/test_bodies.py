import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import ValidationError

from klaster_shared.contracts.bodies import Body, ExchangeRate, Instant, Message, MoneyValue, Personal

NOON = dt.datetime(2011, 10, 6, 12, tzinfo=dt.UTC)


class SomethingHappened(Message):
    at: Instant
    name: Annotated[str, Personal]
    nick: Annotated[str | None, Personal] = None
    place: str = "Kraków"


def read_money(text: str) -> MoneyValue:
    return MoneyValue.model_validate_json(text, strict=True)


@pytest.mark.parametrize("amount", ["1234.50", "0", "-0.01", "123456789012345", "12345678901234.5", "0.00000000000001"])
def test_an_amount_keeps_the_digits_it_was_written_with(amount: str) -> None:
    text = f'{{"amount":"{amount}","currency":"PLN"}}'
    money = read_money(text)
    assert money.amount == Decimal(amount)
    assert money.model_dump_json() == text


@pytest.mark.parametrize(
    "amount",
    ["1234.50", "1", "true", "null", '""', '"1,50"', '"1e3"', '"+1"', '"NaN"', '"Infinity"', '".5"', '"1."', '" 1"', '"1\\n"', '"1_000"', '"\u0661"'],
)
def test_only_plain_decimal_text_is_an_amount(amount: str) -> None:
    with pytest.raises(ValidationError):
        read_money(f'{{"amount":{amount},"currency":"PLN"}}')


@pytest.mark.parametrize("amount", ["1234567890123456", "12345678901234.56", "0.000000000000001", "0000000000000001"])
def test_an_amount_has_at_most_fifteen_digits(amount: str) -> None:
    with pytest.raises(ValidationError):
        read_money(f'{{"amount":"{amount}","currency":"PLN"}}')


@pytest.mark.parametrize("currency", ["pln", "PL", "PLNX", "PLN\n", "", "ŻŻŻ"])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(ValidationError):
        MoneyValue(amount="1", currency=currency)


def test_a_decimal_is_written_without_exponent() -> None:
    assert MoneyValue(amount=Decimal("1E+3"), currency="PLN").model_dump_json() == '{"amount":"1000","currency":"PLN"}'


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+15"), 1, 1.5, True])
def test_other_numbers_are_refused_in_code_too(amount: Any) -> None:
    with pytest.raises(ValidationError):
        MoneyValue(amount=amount, currency="PLN")


@pytest.mark.parametrize("value", ["4.123456789", "-1", "1234567890123456", "1e2"])
def test_a_rate_has_at_most_eight_places_and_no_sign(value: str) -> None:
    with pytest.raises(ValidationError):
        ExchangeRate(value=value, source="NBP", date=NOON.date())


def test_instants_become_utc() -> None:
    local = NOON.astimezone(dt.timezone(dt.timedelta(hours=2)))
    assert SomethingHappened(at=local, name="").model_dump_json(include={"at"}) == '{"at":"2011-10-06T12:00:00Z"}'


@pytest.mark.parametrize("at", ['"2011-10-06T12:00:00"', '"2011-10-06"', "1317902400", '"1317902400"', '"0001-01-01T00:00:00+14:00"', "null"])
def test_anything_but_an_rfc_3339_instant_is_refused(at: str) -> None:
    with pytest.raises(ValidationError):
        SomethingHappened.model_validate_json(f'{{"at":{at},"name":"x"}}', strict=True)


def test_a_naive_datetime_is_refused_in_code_too() -> None:
    with pytest.raises(ValidationError):
        SomethingHappened(at=dt.datetime(2011, 10, 6), name="x")  # noqa: DTZ001 - the mistake under test


def test_unknown_fields_are_ignored() -> None:
    read = SomethingHappened.model_validate_json('{"at":"2011-10-06T12:00:00Z","name":"x","since_v7":[1]}', strict=True)
    assert read == SomethingHappened(at=NOON, name="x")


def test_a_message_does_not_change() -> None:
    with pytest.raises(ValidationError):
        SomethingHappened(at=NOON, name="x").name = "y"  # type: ignore[misc]  # frozen, which is the point


def test_personal_fields_are_marked_in_the_schema() -> None:
    properties = SomethingHappened.model_json_schema()["properties"]
    assert {name for name, schema in properties.items() if schema.get("x-personal")} == {"name", "nick"}


def test_personal_fields_are_not_in_the_text_of_a_message() -> None:
    text = repr(SomethingHappened(at=NOON, name="Anna", nick="Ania"))
    assert "Anna" not in text
    assert "Ania" not in text
    assert "Kraków" in text


def test_an_error_does_not_repeat_what_was_put_in() -> None:
    class Choice(Body):
        locale: Literal["pl", "en"]

    with pytest.raises(ValidationError) as refused:
        Choice(locale="anna@example.org")
    assert "anna" not in str(refused.value)
