"""`Idempotency-Key`: a repeated POST gets the first answer again instead of a second effect.

The one rule: the answer is stored in the transaction of its effect, under an advisory lock on (actor, key) taken before the
lookup; so a key has one answer, or is in progress, or has had no effect. Refusals are never stored: they are evaluated anew.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from sqlalchemy import Column, DateTime, LargeBinary, SmallInteger, Table, Text, bindparam, func, select
from starlette.responses import Response

from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.metadata import PLATFORM
from klaster_shared.db.statements import Statement, insert_of
from klaster_shared.errors import Kind, KlasterError, Refused
from klaster_shared.web.protocol import MalformedHeader

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
MAX_LENGTH: Final = 255

_BARE: Final = re.compile(r"[!#-\[\]-~]+")
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')  # a string of RFC 9651 section 3.3.3

IDEMPOTENCY_KEY = Table(
    "idempotency_key",
    PLATFORM,
    Column("scope", LargeBinary, primary_key=True, comment="SHA-256 of actor and key"),
    Column("fingerprint", LargeBinary, nullable=False, comment="SHA-256 of method, path with query, and body"),
    Column("status", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("location", Text),
    Column("etag", Text),
    Column("actor", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

_LOCK = Statement(select(func.pg_try_advisory_xact_lock(bindparam("lock"))))
_FIND = Statement(
    select(*[IDEMPOTENCY_KEY.c[name] for name in ("fingerprint", "status", "body", "location", "etag")]).where(
        IDEMPOTENCY_KEY.c.scope == bindparam("scope", type_=LargeBinary)
    )
)
_KEEP = Statement(insert_of(IDEMPOTENCY_KEY))


class KeyInProgress(Refused):
    """A request with this Idempotency-Key is being worked on. Repeat after the time in Retry-After: the answer will then be that request's."""

    slug = "idempotency-key-in-progress"
    retry_after: Final = 1

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is being worked on.")


class KeyReused(KlasterError):
    """The Idempotency-Key was used for another request: another method, path or body. Use a new key for a new request."""

    slug = "idempotency-key-reused"
    kind = Kind.INVALID

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request.")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request with a key asks for: `scope` finds the stored answer, `fingerprint` tells whether it is the same request."""

    scope: bytes
    fingerprint: bytes
    actor: str

    @property
    def lock(self) -> int:
        """The scope's first 64 bits, as the signed number PostgreSQL locks."""
        return int.from_bytes(self.scope[:8], signed=True)


def claim_of(request: Request, body: bytes, actor: str) -> Claim | None:
    """None without the header.

    Raises:
        MalformedHeader: the key is neither a quoted string nor bare, or longer than 255 characters.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return None
    key = _key(given.strip())
    query = request.scope["query_string"]
    path = request.scope.get("raw_path") or request.url.path.encode()
    return Claim(_digest(actor.encode(), key.encode()), _digest(request.method.encode(), path, query, body), actor)


async def stored_answer(connection: Connection, claim: Claim) -> Response | None:
    """The answer to the same request, marked as replayed; None when there has been none.

    Raises:
        KeyInProgress: another transaction holds the key.
        KeyReused: the key belongs to another request.
    """
    if not await _LOCK.fetchval(connection, lock=claim.lock):
        raise KeyInProgress
    row = await _FIND.fetchrow(connection, scope=claim.scope)
    if row is None:
        return None
    if row["fingerprint"] != claim.fingerprint:
        raise KeyReused
    headers = {"Location": row["location"], "ETag": row["etag"], REPLAYED: "true"}
    return Response(
        row["body"], row["status"], {name: value for name, value in headers.items() if value is not None}, "application/json" if row["body"] else None
    )


async def keep_answer(connection: Connection, claim: Claim, response: Response, now: Instant) -> None:
    """Stores a 2xx answer in the transaction of its effect."""
    await _KEEP.execute(
        connection,
        scope=claim.scope,
        fingerprint=claim.fingerprint,
        status=response.status_code,
        body=bytes(response.body),
        location=response.headers.get("Location"),
        etag=response.headers.get("ETag"),
        actor=claim.actor,
        created_at=now,
    )


def _key(given: str) -> str:
    if quoted := _QUOTED.fullmatch(given):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(given):
        key = given
    else:
        raise MalformedHeader(HEADER, "a string in double quotes, or one without spaces and quotes, is expected")
    if len(key) > MAX_LENGTH:
        raise MalformedHeader(HEADER, f"at most {MAX_LENGTH} characters are expected")
    return key


def _digest(*parts: bytes) -> bytes:
    """SHA-256 over the parts, each with its length first, so that no two lists of parts read the same."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()
