import pytest

from klaster_events.domain.countries import country
from klaster_shared.errors import Invalid


def test_an_assigned_code_is_taken() -> None:
    assert country("FR") == "FR"


@pytest.mark.parametrize("code", ["UK", "EU", "pl", "POL", ""])
def test_what_iso_has_not_assigned_is_refused(code: str) -> None:
    with pytest.raises(Invalid):
        country(code)
