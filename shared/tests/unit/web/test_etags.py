import pytest

from klaster_shared.web.etags import etag, expected_version
from klaster_shared.web.protocol import ForeignEntityTag, MalformedHeader


def test_a_version_survives_the_way_to_the_client_and_back() -> None:
    assert expected_version(etag(42)) == 42


@pytest.mark.parametrize("given", [None, "*", " * "])
def test_no_version_is_asked_for(given: str | None) -> None:
    assert expected_version(given) is None


@pytest.mark.parametrize("given", ["3", "'3'", '"3', '"1", "2"', '"3" x', "W/3"])
def test_what_is_no_single_entity_tag_cannot_be_read(given: str) -> None:
    with pytest.raises(MalformedHeader):
        expected_version(given)


@pytest.mark.parametrize("given", ['W/"3"', '"abc"', '""', '"0"', '"-1"', '"03"', '"99999999999999999999"'])
def test_a_tag_this_service_cannot_have_given_matches_nothing(given: str) -> None:
    with pytest.raises(ForeignEntityTag):
        expected_version(given)
