"""An ETag is an aggregate's version in quotes; `If-Match` brings it back (RFC 9110 sections 8.8.3 and 13.1.1).

The one rule: comparison is strong, so a weak tag or one this service never gave matches nothing and is a 412.
"""

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Response
from pydantic import WithJsonSchema

from klaster_shared.web.protocol import ForeignEntityTag, IfMatchRequired, MalformedHeader

_ENTITY_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")

_SCHEMA: Final = WithJsonSchema({"type": "string", "pattern": r'^(\*|"[1-9][0-9]{0,17}")$', "examples": ['"3"']})
_DESCRIPTION: Final = 'The `ETag` of what was read, e.g. `"3"`, or `*` for whatever is there.'


def etag(version: int) -> str:
    return f'"{version}"'


def tag_response(response: Response, version: int) -> None:
    response.headers["ETag"] = etag(version)


def created(response: Response, location: str, version: int) -> None:
    """What a creating POST says besides the resource."""
    response.headers["Location"] = location
    tag_response(response, version)


def expected_version(if_match: str | None) -> int | None:
    """The version that `If-Match` asks for; None when the header is absent or `*`.

    Raises:
        MalformedHeader: it is no entity tag, or a list of several.
        ForeignEntityTag: it is one that can match no version.
    """
    given = (if_match or "*").strip()
    if given == "*":
        return None
    tag = _ENTITY_TAG.fullmatch(given)
    if tag is None:
        raise MalformedHeader("If-Match", 'one entity tag in double quotes is expected, as in "3"')
    weak, opaque = tag.groups()
    if weak or not _VERSION.fullmatch(opaque):
        raise ForeignEntityTag
    return int(opaque)


async def _optional(if_match: Annotated[str | None, _SCHEMA, Header(description=_DESCRIPTION)] = None) -> int | None:
    return expected_version(if_match)


async def _required(if_match: Annotated[str | None, _SCHEMA, Header(description=f"{_DESCRIPTION} Required: 428 without it.")] = None) -> int | None:
    if if_match is None:
        raise IfMatchRequired
    return expected_version(if_match)


IfMatch = Annotated[int | None, Depends(_optional)]
"""The version the caller has read, None when they do not say; for every POST that changes an existing thing."""

RequiredIfMatch = Annotated[int | None, Depends(_required)]
"""The same for PUT and PATCH, which answer 428 without it; None only for `*`."""
