"""Failures of HTTP itself: a request that cannot be read as one, before any use case has seen it.

They carry their own status, which no `Kind` describes; everything that a use case refuses is a plain `KlasterError`.
"""

from typing import ClassVar

from fastapi import Request

from klaster_shared.errors import Kind, KlasterError


class Misread(KlasterError):
    """Base of what is wrong with the request as such."""

    slug = "bad-request"
    kind = Kind.INVALID
    status: ClassVar[int] = 400


class MalformedBody(Misread):
    """The body is not JSON in UTF-8. Send `Content-Type: application/json` and a JSON document (RFC 8259)."""

    slug = "malformed-body"

    def __init__(self) -> None:
        super().__init__("The body is not JSON in UTF-8.")


class MalformedHeader(Misread):
    """A header's value does not have the form this service asks for. The member `header` names it."""

    slug = "malformed-header"

    def __init__(self, header: str, expected: str) -> None:
        super().__init__(f"{header}: {expected}", header=header)


class UnsupportedMediaType(Misread):
    """Bodies are JSON. Send them with `Content-Type: application/json`."""

    slug = "unsupported-media-type"
    status = 415

    def __init__(self) -> None:
        super().__init__("The body must come with Content-Type: application/json.")


class NoSuchRoute(Misread):
    """No resource lives at this path. The paths are listed at `/docs` and in `/openapi.json`."""

    slug = "no-such-route"
    status = 404

    def __init__(self) -> None:
        super().__init__("No resource lives at this path.")


class MethodNotAllowed(Misread):
    """The resource exists, but not with this method. The header `Allow` names those it has."""

    slug = "method-not-allowed"
    status = 405

    def __init__(self) -> None:
        super().__init__("The resource does not have this method.")


class BodyTooLarge(Misread):
    """The body is larger than this service reads. Send less at a time; the member `limit` gives the size in bytes."""

    slug = "body-too-large"
    kind = Kind.TOO_LARGE
    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"A body holds at most {limit} bytes.", limit=limit)


class IfMatchRequired(Misread):
    """Changing this needs the version it was read in (RFC 6585 section 3). Send its `ETag` back as `If-Match`, or `If-Match: *` to change whatever is there."""

    slug = "if-match-required"
    status = 428

    def __init__(self) -> None:
        super().__init__("Send the ETag of what you have read as If-Match.")


class ForeignEntityTag(Misread):
    """`If-Match` names no version of this thing: it is weak, or not an ETag this service gave. Read the thing again and send its `ETag` as it is."""

    slug = "foreign-entity-tag"
    kind = Kind.PRECONDITION
    status = 412

    def __init__(self) -> None:
        super().__init__("If-Match names no version of this thing.")


class Unauthenticated(Misread):
    """The operator's routes need the operator's token. Send `Authorization: Bearer <token>`."""

    slug = "unauthenticated"
    kind = Kind.FORBIDDEN
    status = 401
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}  # RFC 9110 section 11.6.1 asks for it

    def __init__(self) -> None:
        super().__init__("Send Authorization: Bearer with the operator's token.")


class InternalFailure(Misread):
    """The service failed in a way nobody foresaw; nothing was changed. Its log holds the reason under the correlation id of this answer."""

    slug = "internal-failure"
    kind = Kind.UNAVAILABLE
    status = 500

    def __init__(self) -> None:
        super().__init__("The service failed; its log holds the reason under this correlation id.")


async def refuse_other_than_json(request: Request) -> bytes:
    """The body, which is JSON by its own account or empty.

    Raises:
        UnsupportedMediaType: it calls itself something else, or nothing.
    """
    body = await request.body()
    if body and not _is_json(request.headers.get("Content-Type", "")):
        raise UnsupportedMediaType
    return body


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
