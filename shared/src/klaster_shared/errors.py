"""Every expected failure is a class of its own: fields first, the sentence made from the fields.

The one rule: an error names its `kind`, and the edges (HTTP, consumer) decide from the kind alone. No status code and no
retry policy is written where a failure is raised.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What a failure means to whoever asked; the edge maps it to a status, or to retry or park."""

    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    PRECONDITION = "precondition"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too-large"
    UNAVAILABLE = "unavailable"


class KlasterError(Exception):
    """Base of all expected failures. `slug` is public: it names the problem page `/problems/<slug>`.

    The class docstring is that page's text: what happened and what to do about it.
    """

    slug: ClassVar[str]
    kind: ClassVar[Kind]
    retryable: ClassVar[bool] = False
    """Whether the same input may succeed later without anybody changing it; a consumer parks it as *retry later* instead of *held*."""

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields: Mapping[str, Any] = fields

    @classmethod
    def title(cls) -> str:
        """The slug as a heading."""
        return cls.slug.replace("-", " ").capitalize()


class Refused(KlasterError):
    """The state of the thing does not allow this. The problem document carries the state that refused."""

    slug = "refused"
    kind = Kind.CONFLICT


class NotFound(KlasterError):
    """There is no such thing. Check the id; ids are UUIDs given in the answer that created the thing."""

    slug = "not-found"
    kind = Kind.NOT_FOUND
    retryable = True

    def __init__(self, what: str, identifier: object) -> None:
        super().__init__(f"No {what} {identifier}.", what=what, id=str(identifier))


class Invalid(KlasterError):
    """A field's value cannot be used. The member `errors` names the field and says what is expected."""

    slug = "invalid-input"
    kind = Kind.INVALID

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", errors=[{"field": field, "message": message}])
        self.field = field


class StaleVersion(KlasterError):
    """The thing has changed since it was read. Read it again and repeat with its new ETag."""

    slug = "stale-version"
    kind = Kind.PRECONDITION
    retryable = True

    def __init__(self, what: str, identifier: object, expected: int | None = None, found: int | None = None) -> None:
        super().__init__(f"{what} {identifier} has changed since it was read.", what=what, id=str(identifier), expected=expected, found=found)


class TooLarge(KlasterError):
    """The text is larger than one message may be. Shorten the long fields."""

    slug = "message-too-large"
    kind = Kind.INVALID

    def __init__(self, message_type: str, size: int, limit: int) -> None:
        super().__init__(f"{message_type} would be {size} bytes; a message holds at most {limit}.", size=size, limit=limit)


class Unavailable(KlasterError):
    """Something this service needs is away for the moment. Repeat after the time in Retry-After, with the same Idempotency-Key."""

    slug = "unavailable"
    kind = Kind.UNAVAILABLE
    retryable = True

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
