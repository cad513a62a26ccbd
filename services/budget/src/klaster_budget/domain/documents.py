"""The accounting document behind an expenditure, and when two of them are the same.

The one rule: a document counts once per line, whichever way and however often it arrives, and whoever typed it.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date

from stdnum.exceptions import ValidationError
from stdnum.pl import nip

from klaster_shared.errors import Invalid

LONGEST_KEY = 1000
"""Bytes. Folding may lengthen a text, and both keys together must fit into one entry of the unique index, 2 704 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`issuer_nip` is the issuer's Polish tax number in its compact form; issuers abroad have none. Made by `document`."""

    number: str
    issued_on: date
    issuer: str
    issuer_nip: str | None = None

    @property
    def issuer_key(self) -> str:
        """What identifies the issuer: the tax number, or the name as it reads without regard to case and spacing."""
        return f"nip:{self.issuer_nip}" if self.issuer_nip else f"name:{_folded(self.issuer)}"

    @property
    def number_key(self) -> str:
        """The number without regard to case and spacing."""
        return _folded(self.number)


def document(*, number: str, issued_on: date, issuer: str, issuer_nip: str | None = None) -> Document:
    """Raises Invalid for a number or a name that is empty or too long, and for a tax number with a wrong length, character or check digit."""
    try:
        compact = nip.validate(issuer_nip) if issuer_nip else None
    except ValidationError:
        raise Invalid("document.issuer_nip", "a NIP of ten digits with a right check digit is expected") from None
    made = Document(number=number.strip(), issued_on=issued_on, issuer=issuer.strip(), issuer_nip=compact)
    for field, text in (("number", made.number), ("issuer", made.issuer)):
        if not 1 <= len(_folded(text).encode()) <= LONGEST_KEY:
            raise Invalid(f"document.{field}", f"1 to {LONGEST_KEY} bytes are expected")
    return made


def _folded(text: str) -> str:
    """Without what a reader does not see: case, spacing, and the invisible characters that come along with text from PDF files."""
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible).casefold().split())
