import pytest
from babel import Locale

from klaster_shared.countries import ASSIGNED, country
from klaster_shared.errors import Invalid

NOT_ASSIGNED = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"}
"""What Unicode's CLDR knows beyond ISO: exceptional reservations, user-assigned and test codes."""


@pytest.mark.parametrize("code", ["PL", "FR", "GB"])
def test_an_assigned_code_is_a_country(code: str) -> None:
    assert country(code) == code


@pytest.mark.parametrize("code", ["XX", "UK", "EU", "pl", "POL", ""])
def test_any_other_text_is_none(code: str) -> None:
    with pytest.raises(Invalid):
        country(code)


def test_the_list_agrees_with_an_independent_one() -> None:
    assert {str(code) for code in Locale("en").territories if len(str(code)) == 2} - NOT_ASSIGNED == ASSIGNED
