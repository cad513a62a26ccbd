"""Who may use `/admin`: clients on the same machine, or, once a token is set, whoever bears it.

The one rule: without a token nothing that may come from elsewhere passes: neither a forwarded request nor a page in the operator's
browser that was led to this address.
"""

import hmac
from collections.abc import Awaitable, Callable, Coroutine
from ipaddress import ip_address
from typing import Any, Final

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.responses import Response

from klaster_shared.errors import Kind, KlasterError
from klaster_shared.web.protocol import Unauthenticated, refuse_other_than_json

_FORWARDING: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


class OperatorsOnly(KlasterError):
    """These routes answer clients on the service's own machine. From elsewhere set KLASTER_ADMIN_TOKEN and send it as `Authorization: Bearer`."""

    slug = "operators-only"
    kind = Kind.FORBIDDEN

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class OperatorRoute(APIRoute):
    """Takes bodies as command routes do: JSON that calls itself so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = super().get_route_handler()

        async def run(request: Request) -> Response:
            await refuse_other_than_json(request)
            return await handler(request)

        return run


def operators_only(token: SecretStr | None) -> Callable[[Request], Awaitable[None]]:
    """A dependency for the admin router.

    Raises:
        Unauthenticated: a token is set and the request does not bear one.
        OperatorsOnly: it bears another one; or none is set and the request may come from elsewhere.
    """

    async def with_token(request: Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Unauthenticated
        expected = "" if token is None else token.get_secret_value()
        if not hmac.compare_digest(given.strip().encode(), expected.encode()):
            raise OperatorsOnly("The token is not the one that is set.")

    async def from_this_machine(request: Request) -> None:
        client = request.client.host if request.client else ""
        if not _is_loopback(client) or any(name in request.headers for name in _FORWARDING):
            raise OperatorsOnly("Only clients on this machine are answered here.")
        if not _is_loopback(request.url.hostname or "") or request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            raise OperatorsOnly("The request was led here by a page from elsewhere.")

    return from_this_machine if token is None else with_token


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
