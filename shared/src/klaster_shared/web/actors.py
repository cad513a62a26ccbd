"""Who acts. Until authentication exists the caller says so in a header; only this module knows.

The one rule: use cases see `Origin.actor`, so that the day a token says who acts, nothing but this file changes.
"""

from typing import Final

from fastapi import Request

from klaster_shared.errors import Invalid
from klaster_shared.origin import LOCAL_ACTOR, Origin

HEADER: Final = "X-Klaster-Actor"
MAX_LENGTH: Final = 200


def actor_of(request: Request) -> str:
    """The header, trimmed; `local` without one. Headers are read as UTF-8, as browsers and curl send them.

    Raises:
        Invalid: it is longer than 200 characters or holds some that do not print.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return LOCAL_ACTOR
    try:
        actor = given.encode("latin-1").decode().strip()
    except UnicodeDecodeError:
        raise Invalid(HEADER, "UTF-8 is expected") from None
    if not actor:
        return LOCAL_ACTOR
    if len(actor) > MAX_LENGTH or not actor.isprintable():
        raise Invalid(HEADER, f"at most {MAX_LENGTH} printable characters are expected")
    return actor


def origin_of(request: Request) -> Origin:
    """Actor and flow of a request; the flow's ids were given by the `Correlated` middleware."""
    return Origin(actor=actor_of(request), correlation_id=request.state.correlation_id, causation_id=request.state.request_id)
