import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaster_partners.adapters.folding import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ZAŻÓŁĆ GĘŚLĄ JAŹŃ", "zazolc gesla jazn"),
        ("zażółć gęślą jaźń", "zazolc gesla jazn"),
        ("Jagiellońskie Centrum Innowacji", "jagiellonskie centrum innowacji"),
        ("Latvijas Biotehnoloģijas asociācija", "latvijas biotehnologijas asociacija"),
        ("Straße", "strasse"),
        ("Søren Ærø", "soren aero"),
    ],
)
def test_case_and_diacritics_are_folded_away(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_composed_and_decomposed_letters_are_the_same(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@given(st.text(alphabet="aąbcćdeęłńóśźżAĄBCĆDEĘŁŃÓŚŹŻ "), st.text(alphabet="aąbcćdeęłńóśźżAĄBCĆDEĘŁŃÓŚŹŻ "))
def test_a_part_of_a_name_is_found_in_the_folded_name(part: str, rest: str) -> None:
    assert fold(part.swapcase()) in fold(f"{rest}{part}{rest}")
