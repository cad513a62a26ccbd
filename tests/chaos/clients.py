"""A careful client: one key per command, the same key for every try, until an answer has come.

The one rule: an answer is a status that a client can act on. No connection, a lost answer, 503 and "in progress" are none: the command
is repeated, and only its last answer goes into the ledger.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from tests.chaos.ledger import Command, Json, Ledger

REPLAYED: Final = "Idempotency-Replayed"
PATIENCE_SECONDS: Final = 120.0
ANSWER_SECONDS: Final = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
CONFLICT, UNAVAILABLE, SERVER_ERROR = 409, 503, 500
CONNECTIONS: Final = 200
"""To each service. What waits for one waits in a queue of ours: the pool of httpx looks at every waiting request whenever one ends."""
NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Nothing was sent: a process that is not there drops no request."""


class NoAnswer(Exception):
    """Patience has ended."""


@dataclass(slots=True)
class Experience:
    """What clients lived through: `tries` by status or class of failure; seconds of commands from the first try to the answer."""

    tries: Counter[str] = field(default_factory=Counter)
    first: Counter[str] = field(default_factory=Counter)
    with_retry_after: int = 0
    """Answers 503 that say when to come again."""
    seconds: list[float] = field(default_factory=list)
    answered_at: dict[str, list[float]] = field(default_factory=dict)
    replayed: int = 0
    """Commands whose answer was given once more: an earlier try had had its effect, and its answer was lost."""
    repeated: list[Command] = field(default_factory=list)
    """Acknowledged commands that took more than one try."""

    def server_errors(self) -> int:
        """Answers 5xx other than 503."""
        return sum(count for name, count in self.tries.items() if name.isdigit() and int(name) >= SERVER_ERROR and int(name) != UNAVAILABLE)

    def unanswered(self) -> int:
        """Tries whose connection ended without an answer. Whether the request had reached anybody only `replayed` tells."""
        never = {kind.__name__ for kind in NEVER_ARRIVED}
        return sum(count for name, count in self.tries.items() if name[0].isalpha() and name not in never)

    def accepted_at_once(self) -> float:
        """Share of commands, in per cent, that were answered by their first try with 2xx or a refusal of the domain."""
        total = sum(self.first.values())
        return 100.0 if total == 0 else 100.0 * sum(count for name, count in self.first.items() if name == "answered") / total


class Clients:
    """All services, for as many commands at a time as anybody likes."""

    def __init__(self, clients: Mapping[str, httpx.AsyncClient], ledger: Ledger, random: Random) -> None:
        self._clients = clients
        self._ledger = ledger
        self._random = random
        self._turns = {name: asyncio.Semaphore(CONNECTIONS) for name in clients}
        self.experience = Experience()

    async def post(self, service: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """The final status and its body. Raises NoAnswer when patience has ended."""
        key = f"{self._random.getrandbits(128):032x}"
        began, pause, tries = time.monotonic(), FIRST_PAUSE, 0
        while True:
            tries += 1
            answer = await self._try(service, path, body, key)
            final = answer is not None and not _may_pass(answer)
            if tries == 1:
                self.experience.first["answered" if final else "not answered"] += 1
            if answer is not None and final:
                return self._settled(service, path, body, key, tries, answer, time.monotonic() - began)
            if time.monotonic() - began > PATIENCE_SECONDS:
                self._ledger.write(
                    Command(service=service, method="POST", path=path, key=key, body=body, tries=tries, status=None, answer=None, etag=None)
                )
                raise NoAnswer(f"{service} {path}")
            await asyncio.sleep(pause * (0.5 + self._random.random()))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def get(self, service: str, path: str, **query: Any) -> Json | None:
        """None when nobody answers or the answer is no success."""
        try:
            async with self._turns[service]:
                answer = await self._clients[service].get(path, params=query)
        except httpx.TransportError:
            return None
        return answer.json() if answer.is_success else None

    async def repeat(self, command: Command) -> httpx.Response:
        """The same command again, as a client would that has lost the answer."""
        return await self._clients[command.service].post(command.path, json=command.body, headers=_headers(command.key))

    def client(self, service: str) -> httpx.AsyncClient:
        return self._clients[service]

    async def _try(self, service: str, path: str, body: Json | None, key: str) -> httpx.Response | None:
        tries = self.experience.tries
        try:
            async with self._turns[service]:
                answer = await self._clients[service].post(path, json=body, headers=_headers(key))
        except httpx.TransportError as error:
            tries[type(error).__name__] += 1
            return None
        tries[str(answer.status_code)] += 1
        if answer.status_code == UNAVAILABLE and "Retry-After" in answer.headers:
            self.experience.with_retry_after += 1
        return answer

    def _settled(self, service: str, path: str, body: Json | None, key: str, tries: int, answer: httpx.Response, seconds: float) -> tuple[int, Json]:
        found: Json = answer.json()
        command = Command(
            service=service,
            method="POST",
            path=path,
            key=key,
            body=body,
            tries=tries,
            status=answer.status_code,
            answer=found,
            etag=answer.headers.get("ETag"),
        )
        self._ledger.write(command)
        self.experience.replayed += answer.headers.get(REPLAYED) == "true"
        self.experience.seconds.append(seconds)
        self.experience.answered_at.setdefault(service, []).append(time.monotonic())
        if tries > 1 and command.acknowledged:
            self.experience.repeated.append(command)
        return answer.status_code, found


def _headers(key: str) -> dict[str, str]:
    """The key names the flow, too: what a message says of its origin leads back to a line of the ledger."""
    return {"Idempotency-Key": key, "X-Correlation-Id": key}


def _may_pass(answer: httpx.Response) -> bool:
    """Whether the same request may be answered otherwise in a moment. A server error is no answer either: it says nothing of the effect."""
    if answer.status_code >= SERVER_ERROR:
        return True
    return answer.status_code == CONFLICT and answer.json().get("type") == "/problems/idempotency-key-in-progress"


@asynccontextmanager
async def open_clients(addresses: Mapping[str, str], ledger: Ledger, random: Random) -> AsyncIterator[Clients]:
    """`addresses`: service → URL."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=64)
    clients = {
        name: httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(ANSWER_SECONDS, pool=PATIENCE_SECONDS), limits=limits)
        for name, url in addresses.items()
    }
    try:
        yield Clients(clients, ledger, random)
    finally:
        for client in clients.values():
            await client.aclose()
