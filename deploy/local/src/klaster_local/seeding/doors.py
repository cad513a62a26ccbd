"""The services' HTTP interface as the loader uses it: patiently, and safe to repeat.

The one rule: a POST carries a key that follows from what it says, so a repeated one has the same effect as a single one: after a lost answer, a
killed service, a second loading. Therefore everything that may pass by itself is simply repeated until patience is at its end.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import NAMESPACE_URL, uuid5

import httpx

from klaster_local.configuration import Configuration
from klaster_local.connecting import service_clients
from klaster_local.failures import CommandFailed

ACTOR: Final = "seed"
AT_ONCE: Final = 8
PAGE: Final = 200
PATIENCE_SECONDS: Final = 120.0
ANSWER_SECONDS: Final = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
IN_PROGRESS: Final = "idempotency-key-in-progress"
KEY_NAMESPACE: Final = uuid5(NAMESPACE_URL, "urn:klaster:seed")

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """What a service answered. `version` is the ETag as it came."""

    body: Json
    version: str

    @property
    def id(self) -> str:
        return str(self.body["id"])


class Refused(CommandFailed):
    """A service refused what the seed asks for; `slug` is the problem's."""

    def __init__(self, service: str, request: str, status: int, problem: Mapping[str, Any]) -> None:
        self.slug = str(problem.get("type", "")).rpartition("/")[2]
        super().__init__(f"{service} refused {request}: {status} {problem.get('title', '')}", json.dumps(problem, ensure_ascii=False, indent=2))


class Door:
    """One service."""

    def __init__(self, service: str, client: httpx.AsyncClient, turn: asyncio.Semaphore) -> None:
        self._service = service
        self._client = client
        self._turn = turn

    async def get(self, path: str, **query: str) -> Resource:
        """Raises Refused, or CommandFailed when patience has run out; so do the others."""
        return _resource(await self._ask("GET", path, query=query))

    async def items(self, path: str, **query: str) -> list[Json]:
        """All pages of a list."""
        found: list[Json] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await self._ask("GET", path, query={**query, "limit": str(PAGE), **cursor})).json()
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    async def post(self, path: str, body: Json | None = None, *, version: str | None = None) -> Resource:
        """`version` is the ETag of the state that the request is meant for; it keeps a transition from being made twice, too."""
        content = b"" if body is None else json.dumps(body, ensure_ascii=False, sort_keys=True).encode()
        key = str(uuid5(KEY_NAMESPACE, f"{path}\n{version}\n{content.decode()}"))
        headers = {"Idempotency-Key": f'"{key}"', **({"If-Match": version} if version else {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return _resource(await self._ask("POST", path, content=content, headers=headers))

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE
        while True:
            answer, trouble = None, ""
            try:
                async with self._turn:
                    answer = await self._client.request(method, path, params=query, content=content, headers=headers)
            except httpx.TransportError as error:
                trouble = f"no answer ({type(error).__name__})"
            if answer is not None:
                if answer.is_success:
                    return answer
                if not _may_pass(answer):
                    raise Refused(self._service, f"{method} {path}", answer.status_code, _problem(answer))
                trouble = f"status {answer.status_code}"
            if time.monotonic() > deadline:
                raise CommandFailed(f"{self._service} could not be used for {PATIENCE_SECONDS:g} s: {trouble}. `klaster status` says more.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class Doors:
    """All four services, with at most `AT_ONCE` requests under way."""

    def __init__(self, doors: Mapping[str, Door]) -> None:
        self.partners = doors["partners"]
        self.events = doors["events"]
        self.budget = doors["budget"]
        self.notifications = doors["notifications"]

    @classmethod
    @asynccontextmanager
    async def open(cls, configuration: Configuration) -> AsyncIterator[Self]:
        turn = asyncio.Semaphore(AT_ONCE)
        async with service_clients(configuration, headers={"X-Klaster-Actor": ACTOR}, answer_within=ANSWER_SECONDS) as clients:
            yield cls({name: Door(name, client, turn) for name, client in clients.items()})


def _may_pass(answer: httpx.Response) -> bool:
    """Whether the same request may be answered otherwise in a moment."""
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE or (
        answer.status_code == httpx.codes.CONFLICT and str(_problem(answer).get("type", "")).endswith(IN_PROGRESS)
    )


def _problem(answer: httpx.Response) -> Json:
    try:
        body = answer.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"title": answer.reason_phrase}


def _resource(answer: httpx.Response) -> Resource:
    return Resource(body=answer.json(), version=answer.headers.get("ETag", ""))
