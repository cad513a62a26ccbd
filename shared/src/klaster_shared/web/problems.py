"""Every failure leaves as a problem document (RFC 9457), rendered in one place from the error's class and fields.

The one rule: `kind` decides the status, in the one table below; nothing that raises knows a status, and no document repeats
what the caller sent.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from klaster_shared.db.failures import UNIQUE_VIOLATION, is_connection_trouble, is_contention, sqlstate_of
from klaster_shared.errors import Invalid, Kind, KlasterError, Refused, Unavailable
from klaster_shared.observability.failures import described
from klaster_shared.web.protocol import InternalFailure, MalformedBody, MethodNotAllowed, Misread, NoSuchRoute

MEDIA_TYPE: Final = "application/problem+json"

STATUS_OF: Final[Mapping[Kind, int]] = {
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.INVALID: 422,
    Kind.PRECONDITION: 412,
    Kind.FORBIDDEN: 403,
    Kind.TOO_LARGE: 413,
    Kind.UNAVAILABLE: 503,
}

_SERVER_ERROR: Final = 500
_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "it is required",
    "extra_forbidden": "there is no such field",
    "model_attributes_type": "a JSON object is expected",
    "model_type": "a JSON object is expected",
    "dict_type": "a JSON object is expected",
    "list_type": "a JSON array is expected",
    "string_type": "a JSON string is expected",
    "int_type": "a JSON integer is expected",
    "int_parsing": "a whole number is expected",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
    "uuid_parsing": "a UUID is expected",
    "base64_decode": "base64 is expected",
}
_LONGEST_FIELD: Final = 200  # names of unknown fields are the caller's text
_SCHEMA_BEHIND: Final = {"42P01", "42703", "42883"}  # undefined table, column, function
_log = structlog.get_logger(__name__)


class NotStorable(KlasterError):
    """A value has a form that cannot be kept: out of range, or a character the database refuses. Check long numbers and unusual characters."""

    slug = "not-storable"
    kind = Kind.INVALID

    def __init__(self) -> None:
        super().__init__("A value has a form that cannot be kept.")


class Busy(Unavailable):
    """Others changed the same things at the same time, again and again. Nothing was written; repeat in a moment."""

    slug = "busy"

    def __init__(self) -> None:
        super().__init__("Others are changing the same things at this moment.", retry_after=1)


class Duplicate(Refused):
    """Something with the same unique value exists already, and was not there when the request began. Look for it before trying again."""

    slug = "duplicate"

    def __init__(self) -> None:
        super().__init__("Something with the same unique value exists already.")


class SchemaBehind(Unavailable):
    """The database has not been migrated to what this release needs. Run the service's `migrate` command."""

    slug = "schema-behind"

    def __init__(self) -> None:
        super().__init__("The database waits for its migrations.", retry_after=5)


class DatabaseTrouble(Unavailable):
    """The database failed while it worked on this. Whether it was written is unknown: repeat with the same Idempotency-Key, or look first."""

    slug = "database-trouble"

    def __init__(self) -> None:
        super().__init__("The database failed while it worked on this.", retry_after=1)


class InvalidFields(Invalid):
    """Fields of the request cannot be used. The member `errors` names each and says what is expected."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        KlasterError.__init__(self, "; ".join(f"{error['field']}: {error['message']}" for error in errors[:3]), errors=errors)
        self.field = errors[0]["field"]


def status_of(error: KlasterError | type[KlasterError]) -> int:
    """The table, but for failures of HTTP itself, which are their status."""
    kind = error if isinstance(error, type) else type(error)
    return kind.status if issubclass(kind, Misread) else STATUS_OF[kind.kind]


def translated(failure: BaseException) -> KlasterError:
    """Any exception as the failure that the caller is told; what nobody expected becomes `InternalFailure`."""
    match failure:
        case KlasterError():
            return failure
        case RequestValidationError():
            return _of_validation(failure)
        case HTTPException():
            return _of_status(failure)
        case _ if is_contention(failure):
            return Busy()
        case _ if is_connection_trouble(failure):
            return DatabaseTrouble()
    state = sqlstate_of(failure) or ""
    if state == UNIQUE_VIOLATION:
        return Duplicate()
    if state in _SCHEMA_BEHIND:
        return SchemaBehind()
    return NotStorable() if state[:2] in {"22", "23"} else InternalFailure()


def problem(error: KlasterError, *, instance: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """The document. `instance` is the request's id; members of `error.fields` follow those of RFC 9457, without any that is None."""
    status = status_of(error)
    members: dict[str, Any] = {name: value for name, value in error.fields.items() if value is not None}
    members |= {"type": f"/problems/{error.slug}", "title": error.title(), "status": status, "detail": error.message}
    if instance is not None:
        members["instance"] = f"urn:uuid:{instance}"
    sent = dict(headers or {})
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        sent["Retry-After"] = str(retry_after)
    return Response(to_json(members, fallback=str), status, sent, MEDIA_TYPE)


async def answer(request: Request, failure: BaseException) -> Response:
    """The response to a request that failed, and one log line where an operator should know."""
    error = translated(failure)
    if error is not failure and status_of(error) >= _SERVER_ERROR:
        _log.error("request failed", slug=error.slug, route=_template(request), **described(failure))
    elif isinstance(error, NotStorable):
        _log.error("value reached the database and was refused there", route=_template(request), **described(failure))
    headers = _allow(request) if isinstance(error, MethodNotAllowed) else getattr(error, "headers", None)
    return problem(error, instance=getattr(request.state, "request_id", None), headers=headers)


def add_problem_handlers(app: FastAPI) -> None:
    for expected in (KlasterError, HTTPException, RequestValidationError):
        app.add_exception_handler(expected, answer)


def _of_validation(failure: RequestValidationError) -> KlasterError:
    errors = failure.errors()
    if any(error["type"] == "json_invalid" for error in errors):
        return MalformedBody()
    return InvalidFields([{"field": _field(error["loc"]), "message": _message(error)} for error in errors])


def _field(location: tuple[int | str, ...]) -> str:
    """`("body", "costs", 0, "amount")` is `costs.0.amount`; the whole body is `body`."""
    return ".".join(map(str, location[1:]))[:_LONGEST_FIELD] or str(location[0])


def _message(error: Mapping[str, Any]) -> str:
    """A sentence of ours; pydantic's own where it says to a caller what to send, and not to a programmer what was parsed."""
    return _SENTENCES.get(str(error["type"])) or str(error["msg"]).removeprefix("Value error, ")


def _of_status(failure: HTTPException) -> KlasterError:
    match failure.status_code:
        case HTTPStatus.NOT_FOUND:
            return NoSuchRoute()
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowed()
        case status if status < _SERVER_ERROR:
            return MalformedBody()
        case _:
            return InternalFailure()


def _allow(request: Request) -> dict[str, str]:
    """Every method of the path: the router names only those of the first route it met there."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    methods = {method for route in getattr(request.app.state, "routes", ()) if route.path_regex.fullmatch(path) for method in route.methods or ()}
    return {"Allow": ", ".join(sorted(methods))}


def _template(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", "unknown"))
