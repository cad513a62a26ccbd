import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from klaster_shared.money import Money
from klaster_shared.web.fields import (
    Body,
    Day,
    DecimalText,
    Email,
    Flag,
    InstantIn,
    InstantOut,
    Line,
    MoneyIn,
    MoneyOut,
    Paragraph,
    PositiveMoneyIn,
    Resource,
    Whole,
)


def read(kind: Any, given: object) -> Any:
    return TypeAdapter(kind).validate_python(given)


def complaint(kind: Any, given: object) -> str:
    with pytest.raises(ValidationError) as raised:
        read(kind, given)
    (error,) = raised.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def test_text_is_trimmed() -> None:
    assert read(Line, "  Kraków \n") == "Kraków"


@pytest.mark.parametrize("given", ["", "   ", "x" * 201, 7, None, "a\0b", "a\tb", "a\x1bb", "a\ud800b"])
def test_a_line_refuses_what_is_no_printable_text(given: object) -> None:
    assert complaint(Line, given)


def test_length_counts_after_trimming() -> None:
    assert read(Line, " " + "x" * 200 + " ") == "x" * 200


def test_a_paragraph_may_have_line_breaks_but_no_nul() -> None:
    assert read(Paragraph, "one\ntwo") == "one\ntwo"
    assert "control characters" in complaint(Paragraph, "one\0two")


@pytest.mark.parametrize("given", [" Anna.Nowak@Example.ORG ", "a+b@hospital.local", "x@localhost", "o'hara@b-c.eu"])
def test_an_address_is_trimmed_and_lower_cased(given: str) -> None:
    assert read(Email, given) == given.strip().lower()


@pytest.mark.parametrize(
    "given",
    [
        "anna",
        "@b.pl",
        "a@",
        "a@b..pl",
        "a b@c.pl",
        "Anna <a@b.pl>",
        "a@-b.pl",
        "x" * 65 + "@b.pl",
        "a@" + "b" * 64 + ".pl",
        "ż@b.pl",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(given: str) -> None:
    said = complaint(Email, given)
    assert said == ": Value error, not an e-mail address"


def test_an_address_cannot_smuggle_a_line_into_a_mail() -> None:
    assert complaint(Email, "a@b.pl\nBcc: c@d.pl")


def test_an_instant_is_brought_to_utc() -> None:
    assert read(InstantIn, "2012-01-01T10:00:00+01:00") == datetime(2012, 1, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize("given", ["2012-01-01T10:00:00", 1325408400, "1325408400", "yesterday", "0001-01-01T00:00:00+14:00", "2012-01-01"])
def test_an_instant_needs_a_date_a_time_and_an_offset(given: object) -> None:
    assert complaint(InstantIn, given)


def test_a_day_is_written_as_a_day() -> None:
    assert str(read(Day, "2012-02-29")) == "2012-02-29"
    assert complaint(Day, "2011-02-29")
    assert complaint(Day, 15000)


@pytest.mark.parametrize("given", ["true", 1, "yes", None])
def test_a_flag_is_a_json_boolean(given: object) -> None:
    assert complaint(Flag, given)


@pytest.mark.parametrize("given", ["7", 7.0, True, 0, 101, 2**70])
def test_a_whole_number_is_a_json_integer_within_bounds(given: object) -> None:
    assert complaint(Annotated[int, Whole(1, 100)], given)


def test_money_is_two_strings() -> None:
    assert read(MoneyIn, {"amount": "1234.5", "currency": "PLN"}) == Money(Decimal("1234.50"), "PLN")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"amount": 1234.5, "currency": "PLN"}, "amount"),
        ({"amount": 1234, "currency": "PLN"}, "amount"),
        ({"amount": "1,5", "currency": "PLN"}, "amount"),
        ({"amount": "1e3", "currency": "PLN"}, "amount"),
        ({"amount": "NaN", "currency": "PLN"}, "amount"),
        ({"amount": "1.234", "currency": "PLN"}, "amount"),
        ({"amount": "1.5", "currency": "JPY"}, "amount"),
        ({"amount": "99999999999999", "currency": "PLN"}, "amount"),
        ({"amount": "1", "currency": "ZZZ"}, "currency"),
        ({"amount": "1", "currency": "pln"}, "currency"),
        ({"amount": "1"}, "currency"),
        ({"amount": "1", "currency": "PLN", "vat": "1"}, "vat"),
        ("1 PLN", ""),
    ],
)
def test_money_in_any_other_form_is_refused_by_field(given: object, field: str) -> None:
    assert complaint(MoneyIn, given).startswith(f"{field}:")


@pytest.mark.parametrize("amount", ["0", "0.00", "-1"])
def test_a_cost_is_above_zero(amount: str) -> None:
    assert "above zero" in complaint(PositiveMoneyIn, {"amount": amount, "currency": "PLN"})


def test_a_rate_is_decimal_text() -> None:
    rate = Annotated[Decimal, DecimalText(places=8)]
    assert read(rate, "4.12345678") == Decimal("4.12345678")
    for wrong in (4.1, "0", "-1", "4.123456789", "4,1", "1e1", ""):
        assert complaint(rate, wrong)


def test_an_unknown_field_is_named() -> None:
    class Example(Body):
        capacity: int = 1

    assert complaint(Example, {"capasity": 2}).startswith("capasity:")


def test_answers_write_money_instants_and_rates_as_the_interface_says() -> None:
    class Answer(Resource):
        amount: MoneyOut
        at: InstantOut
        rate: Annotated[Decimal, DecimalText(places=8)]

    answer = Answer(amount=Money(Decimal("1.5"), "PLN"), at=read(InstantIn, "2012-01-01T10:00:00.5+01:00"), rate=Decimal("1E+2"))
    assert answer.model_dump(mode="json") == {"amount": {"amount": "1.50", "currency": "PLN"}, "at": "2012-01-01T09:00:00.500000Z", "rate": "100"}


def test_the_schema_says_what_a_client_must_write() -> None:
    schema = TypeAdapter(MoneyIn).json_schema()
    assert schema["properties"]["amount"]["type"] == "string"
    line = TypeAdapter(Line).json_schema()
    assert (line["minLength"], line["maxLength"]) == (1, 200)
    assert re.search(line["pattern"], "Kraków")
    assert not any(re.search(line["pattern"], refused) for refused in (" ", "a\0b", "a\x9fb", ""))
