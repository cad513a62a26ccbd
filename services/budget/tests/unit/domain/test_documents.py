import pytest

from klaster_budget.testing import VALID_NIP, a_document
from klaster_shared.errors import Invalid


@pytest.mark.parametrize("written", [VALID_NIP, "123-456-32-18", "PL 1234563218", " 123 456 32 18 "])
def test_one_tax_number_in_any_spelling_is_one_issuer(written: str) -> None:
    assert a_document(nip=written).issuer_key == f"nip:{VALID_NIP}"


@pytest.mark.parametrize("written", ["1234563219", "123456321", "12345632180", "PL", "abcdefghij"])
def test_a_tax_number_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(Invalid) as refused:
        a_document(nip=written)
    assert refused.value.field == "document.issuer_nip"


def test_the_tax_number_goes_before_the_name() -> None:
    assert a_document(issuer="Hotel").issuer_key == a_document(issuer="Hotel under another name").issuer_key


@pytest.mark.parametrize("written", ["Genopole", "  genopole ", "GENOPOLE", "\uff27enopole", "Geno\u00adpole"])
def test_without_a_tax_number_the_name_counts_whatever_its_case_and_spacing(written: str) -> None:
    assert a_document(issuer=written, nip=None).issuer_key == "name:genopole"


def test_different_names_are_different_issuers() -> None:
    assert a_document(issuer="Hotel A", nip=None).issuer_key != a_document(issuer="Hotel B", nip=None).issuer_key


def test_a_name_that_looks_like_a_tax_number_is_not_taken_for_one() -> None:
    assert a_document(issuer=VALID_NIP, nip=None).issuer_key != a_document(nip=VALID_NIP).issuer_key


@pytest.mark.parametrize("written", ["FV/1/2011", " fv/1/2011 ", "Fv/1/2011"])
def test_a_document_number_counts_whatever_its_case_and_spacing(written: str) -> None:
    assert a_document(written).number_key == "fv/1/2011"


@pytest.mark.parametrize("written", ["", "  ", "\u200b"])
def test_a_document_needs_a_number_and_an_issuer(written: str) -> None:
    with pytest.raises(Invalid):
        a_document(written)
    with pytest.raises(Invalid):
        a_document(issuer=written)


def test_text_that_folds_into_too_much_is_refused_before_the_index_refuses_it() -> None:
    with pytest.raises(Invalid):
        a_document(issuer="\ufdfa" * 200, nip=None)
