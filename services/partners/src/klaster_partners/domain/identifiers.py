"""Numbers by which registers know an organisation, checked the way the registers check them.

The one rule: an identifier that exists is valid and in its compact form, so two spellings of one number are one identifier.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stdnum.eu import vat
from stdnum.exceptions import ValidationError
from stdnum.pl import nip, regon
from stdnum.util import clean, isdigits

from klaster_shared.errors import Invalid

KRS_DIGITS = 10


class Scheme(StrEnum):
    """`nip`: Polish tax number; `regon`: Polish statistical number; `krs`: Polish court register; `vat`: EU VAT number with its country prefix."""

    NIP = "nip"
    REGON = "regon"
    KRS = "krs"
    VAT = "vat"


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """Made by `identifier`; `value` is compact: digits without separators, a VAT number with its upper-case country prefix."""

    scheme: Scheme
    value: str


def identifier(scheme: Scheme, text: str) -> Identifier:
    """Raises Invalid when the number has a wrong length, a wrong character or a wrong check digit."""
    try:
        return Identifier(scheme, _VALIDATORS[scheme](text))
    except ValidationError as error:
        raise Invalid(f"identifiers.{scheme}", str(error)) from None


def _krs(text: str) -> str:
    """The court register gives ten digits, leading zeros included, and no check digit."""
    compact = clean(text, " ").strip()
    if len(compact) != KRS_DIGITS or not isdigits(compact):
        raise ValidationError("A KRS number has exactly ten digits.")
    return compact


_VALIDATORS: Mapping[Scheme, Callable[[str], str]] = {
    Scheme.NIP: nip.validate,
    Scheme.REGON: regon.validate,
    Scheme.KRS: _krs,
    Scheme.VAT: vat.validate,
}
