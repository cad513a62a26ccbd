import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest

from klaster_notifications.adapters.calendars import CalendarWriter, Organiser
from klaster_notifications.adapters.letters import TemplateLetters
from klaster_notifications.domain.letters import Letter
from klaster_notifications.domain.recipients import Locale
from klaster_notifications.domain.rules import RULES, rules_for
from klaster_notifications.testing import (
    TITLE,
    WORKSHOP,
    a_cancellation,
    a_cause,
    a_confirmation,
    a_place_in_line,
    a_recipient,
    a_refusal,
    a_withdrawal,
    an_upgrade,
)
from klaster_shared.contracts.bodies import LocalisedText, Message
from klaster_shared.errors import NotFound

GOLDEN = Path(__file__).parent / "golden"
LETTERS = TemplateLetters(CalendarWriter(Organiser(name="Klaster LifeScience Kraków", address="office@example.org")))
MESSAGES: dict[str, Message] = {
    "registration-confirmed": a_confirmation(),
    "registration-waitlisted": a_place_in_line(position=3),
    "registration-withdrawn": a_withdrawal(),
    "registration-cancelled-confirmed": a_cancellation(was="confirmed"),
    "registration-cancelled-waitlisted": a_cancellation(was="waitlisted", reason=None),
    "commitment-refused": a_refusal(short_by=("650.50", "12000.00")),
    "membership-upgraded": an_upgrade(),
}


def written(message: Message, locale: Locale = Locale.PL, *, name: str = "ZIN member 01") -> Letter:
    cause = a_cause(message)
    (rule,) = rules_for(cause.type, cause.particulars)
    return LETTERS.write(rule, cause, a_recipient(name=name, locale=locale))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


class _Text(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.said = ""
        self.feed(page.partition("<body")[2].partition(">")[2])

    def handle_data(self, data: str) -> None:
        self.said += f" {data}"


@pytest.mark.parametrize("locale", list(Locale))
@pytest.mark.parametrize("rule", MESSAGES)
def test_a_letter_reads_as_it_was_approved(rule: str, locale: Locale) -> None:
    letter = written(MESSAGES[rule], locale)

    assert f"{letter.subject}\n\n{letter.text}" == (GOLDEN / f"{rule}.{locale}.txt").read_text()


def test_every_rule_has_an_approved_letter() -> None:
    assert set(MESSAGES) == {rule.name for rule in RULES}


@pytest.mark.parametrize("locale", list(Locale))
@pytest.mark.parametrize("rule", MESSAGES)
def test_text_and_html_say_the_same(rule: str, locale: Locale) -> None:
    letter = written(MESSAGES[rule], locale)

    assert words(_Text(letter.html).said) == words(letter.subject) + words(letter.text)


def test_no_line_of_a_text_is_longer_than_a_mail_program_shows() -> None:
    assert max(len(line) for message in MESSAGES.values() for line in written(message).text.splitlines()) <= 76


@pytest.mark.parametrize(
    ("position", "pl", "en"),
    [
        (1, "na pierwszym miejscu.", "and you are next in line."),
        (2, "na miejscu 2; przed Państwem: 1 osoba.", "at position 2, with 1 person ahead of you."),
        (3, "na miejscu 3; przed Państwem: 2 osoby.", "at position 3, with 2 people ahead of you."),
        (6, "na miejscu 6; przed Państwem: 5 osób.", "at position 6, with 5 people ahead of you."),
        (13, "na miejscu 13; przed Państwem: 12 osób.", "at position 13, with 12 people ahead of you."),
        (23, "na miejscu 23; przed Państwem: 22 osoby.", "at position 23, with 22 people ahead of you."),
    ],
)
def test_people_ahead_are_counted_in_the_grammar_of_the_language(position: int, pl: str, en: str) -> None:
    message = a_place_in_line(position=position)

    assert pl in " ".join(written(message, Locale.PL).text.split())
    assert en in " ".join(written(message, Locale.EN).text.split())


def test_a_place_that_came_free_is_told_as_such() -> None:
    message = a_confirmation(from_waitlist=True)

    assert "zwolniło się miejsce" in written(message, Locale.PL).text
    assert "a place has come free" in written(message, Locale.EN).text


@pytest.mark.parametrize(
    ("reason", "pl", "en"),
    [
        ("unknown_grant", "Budżet nie zna dotacji", "does not know the grant"),
        ("unknown_line", "nie ma pozycji LINE-7", "has no line LINE-7"),
        ("other_currency", "w pozycji LINE-7 podano w innej walucie", "line LINE-7 is in another currency"),
    ],
)
def test_a_refusal_says_its_reason(reason: str, pl: str, en: str) -> None:
    message = a_refusal(short_by=(), reason=reason, line_code=None if reason == "unknown_grant" else "LINE-7")

    assert pl in " ".join(written(message, Locale.PL).text.split())
    assert en in " ".join(written(message, Locale.EN).text.split())


def test_an_upgrade_without_names_is_told_without_them() -> None:
    letter = written(an_upgrade(organisation_name=None, network_code=None, network_name=None))

    assert letter.subject == "Wyższy stopień członkostwa"
    assert "członkostwo Państwa organizacji" in " ".join(letter.text.split())
    assert "None" not in letter.text


@pytest.mark.parametrize("hostile", ["ZIN\r\nBcc: all@example.org", "ZIN\x85member", "ZIN\u2028member", "ZIN\x00member"])
def test_what_others_have_written_stays_on_its_line(hostile: str) -> None:
    event = WORKSHOP.model_copy(update={"title": LocalisedText(pl=hostile, en=hostile), "place": hostile})

    letter = written(a_confirmation(event=event), Locale.EN, name=hostile)

    assert letter.subject.isprintable()
    assert len(letter.text.splitlines()) == len(written(a_confirmation(event=WORKSHOP), Locale.EN).text.splitlines()) - 1  # a shorter title


def test_what_others_have_written_is_no_markup() -> None:
    event = WORKSHOP.model_copy(update={"title": LocalisedText(pl="<script>alert(1)</script> & Co", en="")})

    letter = written(a_confirmation(event=event))

    assert "<script>" not in letter.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in letter.html
    assert "<script>alert(1)</script> & Co" in letter.text


def test_a_field_of_the_message_does_not_choose_the_language() -> None:
    assert written(a_confirmation(locale="pl"), Locale.EN).text.startswith("Dear ZIN member 01,")


def test_a_template_never_passes_over_what_is_missing() -> None:
    cause = a_cause(a_confirmation())
    (rule,) = rules_for(cause.type, cause.particulars)
    stripped = {name: value for name, value in cause.particulars.items() if name != "from_waitlist"}

    with pytest.raises(jinja2.UndefinedError):
        LETTERS.write(
            rule,
            type(cause)(id=cause.id, type=cause.type, happened_at=cause.happened_at, recorded_at=cause.recorded_at, particulars=stripped),
            a_recipient(),
        )


@pytest.mark.parametrize(("rule", "calendar"), [(rule.name, rule.calendar) for rule in RULES])
def test_a_letter_has_a_calendar_part_if_its_rule_has(rule: str, calendar: object) -> None:
    letter = written(MESSAGES[rule])

    assert (letter.calendar and letter.calendar.method) == calendar


def test_the_shelf_shows_every_template_in_both_languages() -> None:
    assert [template.name for template in LETTERS.templates()] == sorted({rule.template for rule in RULES})
    assert all(set(template.sources) == set(Locale) for template in LETTERS.templates())


def test_a_letter_names_the_edition_on_the_shelf() -> None:
    letter = written(a_confirmation())

    assert letter.template.version == LETTERS.template("registration_confirmed").version


def test_templates_differ_in_version_and_keep_it_from_start_to_start() -> None:
    again = TemplateLetters(CalendarWriter(Organiser(name="Another", address="another@example.org")))

    versions = [template.version for template in LETTERS.templates()]
    assert versions == [template.version for template in again.templates()]
    assert len(set(versions)) == len(versions)


def test_an_unknown_template_is_not_found() -> None:
    with pytest.raises(NotFound):
        LETTERS.template("newsletter")


def test_the_title_is_that_of_the_recipients_language() -> None:
    assert TITLE.en in written(a_confirmation(), Locale.EN).subject
    assert TITLE.pl in written(a_confirmation(), Locale.PL).subject
