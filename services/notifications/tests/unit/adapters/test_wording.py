from typing import Any

import pytest

from klaster_notifications.adapters.wording import Wording, one_line
from klaster_notifications.domain.recipients import Locale

PL, EN = Wording(Locale.PL), Wording(Locale.EN)


def an_event(starts_at: str, ends_at: str, time_zone: str = "Europe/Warsaw") -> dict[str, Any]:
    return {"starts_at": starts_at, "ends_at": ends_at, "time_zone": time_zone}


@pytest.mark.parametrize(
    ("event", "pl", "en"),
    [
        pytest.param(
            an_event("2011-10-06T07:00:00Z", "2011-10-06T14:00:00Z"),
            "czwartek, 6 października 2011, 09:00 - 16:00 (czas środkowoeuropejski letni)",
            "Thursday, 6 October 2011, 09:00 - 16:00 (Central European Summer Time)",
            id="within a day",
        ),
        pytest.param(
            an_event("2012-01-30T08:00:00Z", "2012-02-03T15:30:00Z"),
            "poniedziałek, 30 stycznia 2012, 09:00 - piątek, 3 lutego 2012, 16:30 (czas środkowoeuropejski standardowy)",
            "Monday, 30 January 2012, 09:00 - Friday, 3 February 2012, 16:30 (Central European Standard Time)",
            id="over several days, in winter",
        ),
        pytest.param(
            an_event("2011-10-06T22:30:00Z", "2011-10-06T23:30:00Z"),
            "piątek, 7 października 2011, 00:30 - 01:30 (czas środkowoeuropejski letni)",
            "Friday, 7 October 2011, 00:30 - 01:30 (Central European Summer Time)",
            id="another day than in UTC",
        ),
        pytest.param(
            an_event("2011-10-06T08:00:00Z", "2011-10-06T15:00:00Z", "Europe/London"),
            "czwartek, 6 października 2011, 09:00 - 16:00 (Brytyjski czas letni)",
            "Thursday, 6 October 2011, 09:00 - 16:00 (British Summer Time)",
            id="elsewhere",
        ),
        pytest.param(
            an_event("2011-10-06T08:00:00Z", "2011-10-06T15:00:00Z", "Mars/Olympus_Mons"),
            "czwartek, 6 października 2011, 08:00 - 15:00 (uniwersalny czas koordynowany)",
            "Thursday, 6 October 2011, 08:00 - 15:00 (Coordinated Universal Time)",
            id="in a zone that nobody knows",
        ),
    ],
)
def test_an_event_takes_place_at_the_time_of_its_place(event: dict[str, Any], pl: str, en: str) -> None:
    assert [period.replace("\N{EN DASH}", "-") for period in (PL.period(event), EN.period(event))] == [pl, en]


def test_a_day_is_written_out() -> None:
    assert (PL.day("2012-01-01"), EN.day("2012-01-01")) == ("1 stycznia 2012", "1 January 2012")


@pytest.mark.parametrize(
    ("amount", "currency", "pl", "en"),
    [
        ("650.50", "PLN", "650,50\xa0zł", "PLN\xa0650.50"),
        ("1087398.00", "PLN", "1\xa0087\xa0398,00\xa0zł", "PLN\xa01,087,398.00"),
        ("4800", "EUR", "4\xa0800,00\xa0€", "EUR\xa04,800.00"),
        ("12.50", "LVL", "12,50\xa0LVL", "LVL\xa012.50"),
        ("500", "JPY", "500\xa0JPY", "JPY\xa0500"),
    ],
)
def test_money_has_its_minor_digits_and_never_breaks_across_lines(amount: str, currency: str, pl: str, en: str) -> None:
    value = {"amount": amount, "currency": currency}

    assert (PL.money(value), EN.money(value)) == (pl, en)


@pytest.mark.parametrize(("number", "expected"), [(1, "1 osoba"), (2, "2 osoby"), (4, "4 osoby"), (5, "5 osób"), (12, "12 osób"), (22, "22 osoby")])
def test_polish_has_three_forms(number: int, expected: str) -> None:
    assert PL.counted(number, one="osoba", few="osoby", many="osób") == expected


@pytest.mark.parametrize(("number", "expected"), [(1, "1 person"), (2, "2 people"), (11, "11 people")])
def test_english_has_two(number: int, expected: str) -> None:
    assert EN.counted(number, one="person", other="people") == expected


def test_a_missing_form_is_an_error_of_the_template() -> None:
    with pytest.raises(KeyError):
        PL.counted(5, one="osoba", few="osoby")


@pytest.mark.parametrize("text", ["a\r\nb", "a\x0bb", "a\x1cb", "a\x85b", "a\u2028b", "a\u2029b", " a\t b ", "a\x00b", "a\x7fb"])
def test_one_line_is_one_line(text: str) -> None:
    assert one_line(text) == "a b"
