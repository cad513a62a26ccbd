import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaster_partners.domain.identifiers import Identifier, Scheme, identifier
from klaster_shared.errors import Invalid


@pytest.mark.parametrize(
    ("scheme", "text", "compact"),
    [
        (Scheme.NIP, "8567346215", "8567346215"),
        (Scheme.NIP, "856-734-62-15", "8567346215"),
        (Scheme.NIP, " PL 8567346215 ", "8567346215"),
        (Scheme.REGON, "192598184", "192598184"),
        (Scheme.REGON, "12345678512347", "12345678512347"),
        (Scheme.KRS, "0000127206", "0000127206"),
        (Scheme.VAT, "pl 856-734-62-15", "PL8567346215"),
        (Scheme.VAT, "LV40003521600", "LV40003521600"),
    ],
)
def test_a_valid_number_is_kept_in_its_compact_form(scheme: Scheme, text: str, compact: str) -> None:
    assert identifier(scheme, text) == Identifier(scheme, compact)


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        (Scheme.NIP, "8567346216"),  # check digit
        (Scheme.NIP, "856734621"),
        (Scheme.REGON, "192598183"),  # check digit
        (Scheme.REGON, "1925981840"),
        (Scheme.KRS, "127206"),
        (Scheme.KRS, "00001272O6"),
        (Scheme.KRS, "٠٠٠٠١٢٧٢٠٦"),
        (Scheme.VAT, "8567346215"),  # no country
        (Scheme.VAT, "PL8567346216"),  # check digit
        (Scheme.VAT, "US123456789"),  # not in the EU
        (Scheme.VAT, ""),
    ],
)
def test_a_wrong_number_is_refused(scheme: Scheme, text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        identifier(scheme, text)

    assert refusal.value.field == f"identifiers.{scheme}"


@given(scheme=st.sampled_from(Scheme), text=st.text(max_size=40) | st.from_regex(r"[A-Z]{2}[0-9A-Z+*]{2,14}", fullmatch=True))
def test_any_text_is_either_an_identifier_or_refused_as_invalid(scheme: Scheme, text: str) -> None:
    try:
        made = identifier(scheme, text)
    except Invalid:
        return
    assert identifier(scheme, made.value) == made
