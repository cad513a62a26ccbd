"""Text as it is compared in searches: without case and without diacritics.

The one rule: what is stored and what is looked for pass through the same function, so that the database needs no collation
and no extension of its own.
"""

import unicodedata

_LETTERS = str.maketrans({"ł": "l", "đ": "d", "ð": "d", "ø": "o", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"})
"""Letters that Unicode does not take apart into a base letter and a mark."""


def fold(text: str) -> str:
    """`Łódź` and `LODZ` give `lodz`."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).translate(_LETTERS)
