"""One command request = one transaction: opened before the route's function, committed after it, answered after the commit.

The one rule: nothing is sent before the commit, and whatever is not a 2xx rolls back. A lost race (stale version, deadlock,
serialization failure, unique violation) is run again from the start, because a use case is a function of the request.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.db.failures import UNIQUE_VIOLATION, is_contention, sqlstate_of
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.errors import StaleVersion
from klaster_shared.origin import Origin
from klaster_shared.web.actors import origin_of
from klaster_shared.web.documentation import COMMAND_HEADERS, COMMAND_PROBLEMS
from klaster_shared.web.idempotency import Claim, claim_of, keep_answer, stored_answer
from klaster_shared.web.problems import Busy, translated
from klaster_shared.web.protocol import refuse_other_than_json

ATTEMPTS: Final = 3
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSALS_FROM: Final = 300
_log = structlog.get_logger(__name__)

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _NotDone(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class CommandRoute(APIRoute):
    """`APIRouter(route_class=CommandRoute)`: POST, PUT, PATCH and DELETE run in a unit of work; GET is left as it is."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._is_command = not set(options.get("methods") or {"GET"}) <= _SAFE
        if self._is_command:
            options["openapi_extra"] = {"parameters": COMMAND_HEADERS} | (options.get("openapi_extra") or {})
            options["responses"] = COMMAND_PROBLEMS | (options.get("responses") or {})
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        handler: Handler = super().get_route_handler()
        if not self._is_command:
            return handler

        async def run(request: Request) -> Response:
            return await _Command(request, handler).run()

        return run


async def unit_of_work(request: Request) -> Any:
    """The transaction of this request: `work: Annotated[PartnersWork, Depends(unit_of_work)]`.

    Asynchronous only because FastAPI runs synchronous dependencies in a thread, which costs more than the rest of the edge.
    """
    return request.state.work


class _Command:
    def __init__(self, request: Request, handler: Handler) -> None:
        self._request = request
        self._handler = handler
        self._transactions: Transactions[UnitOfWork] = request.app.state.transactions

    async def run(self) -> Response:
        origin = origin_of(self._request)
        body = await refuse_other_than_json(self._request)
        claim = claim_of(self._request, body, origin.actor)
        try:
            return await self._run_again_if_beaten(origin, claim)
        except _NotDone as refusal:
            return refusal.response

    async def _run_again_if_beaten(self, origin: Origin, claim: Claim | None) -> Response:
        attempt = 1
        while True:
            try:
                return await self._run_once(origin, claim)
            except Exception as failure:
                if not self._worth_another_run(failure):
                    raise
                _log.info("command beaten by another", attempt=attempt, error=type(failure).__name__, sqlstate=sqlstate_of(failure))
                if attempt == ATTEMPTS:
                    raise (Busy() if isinstance(failure, StaleVersion) else translated(failure)) from failure
            attempt += 1

    async def _run_once(self, origin: Origin, claim: Claim | None) -> Response:
        async with self._transactions.begin(origin) as work:
            if claim is not None and (answer := await stored_answer(work.connection, claim)) is not None:
                return answer
            self._request.state.work = work
            response = await self._handler(self._request)
            if response.status_code >= _REFUSALS_FROM:
                raise _NotDone(response)
            if claim is not None:
                await keep_answer(work.connection, claim, response, work.now)
        reached(CrashPoint.AFTER_HTTP_COMMIT)
        return response

    def _worth_another_run(self, failure: Exception) -> bool:
        """Somebody who named the version they had read is told that it is stale; everybody else just came second."""
        if isinstance(failure, StaleVersion):
            return self._request.headers.get("If-Match", "*").strip() == "*"
        return is_contention(failure) or sqlstate_of(failure) == UNIQUE_VIOLATION
