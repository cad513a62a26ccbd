"""What the command asks of running services besides their public interface: operator's routes, metrics, and the ends of Kafka's logs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from getpass import getuser
from typing import Any, Final
from urllib.parse import quote

import httpx
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.error import KafkaException

from klaster_local.configuration import Configuration
from klaster_local.connecting import service_clients
from klaster_local.failures import CommandFailed
from klaster_local.metrics import Samples, parse
from klaster_shared.contracts.topics import TOPICS

ANSWER_SECONDS: Final = 10.0
NOBODY: Final = "operator"
PAGE: Final = 200

type Json = dict[str, Any]
type Ends = Mapping[tuple[str, int], tuple[int, int]]
"""(topic, partition) → first offset that is there, offset of the next message."""


class NotAnswering(CommandFailed):
    """A service is away; it may come back."""


class Endpoint:
    """One service. Every method raises NotAnswering when it is away, else CommandFailed when it refuses."""

    def __init__(self, service: str, client: httpx.AsyncClient) -> None:
        self.service = service
        self._client = client

    async def get(self, path: str, **query: str | int | None) -> Any:
        return (await self._ask("GET", path, params={name: value for name, value in query.items() if value is not None})).json()

    async def items(self, path: str, **query: str | int | None) -> list[Json]:
        """All pages of a list."""
        found: list[Json] = []
        cursor: str | None = None
        while True:
            page = await self.get(path, **query, limit=PAGE, cursor=cursor)
            found += page["items"]
            if (cursor := page["next"]) is None:
                return found

    async def content(self, path: str, **query: str) -> AsyncIterator[bytes]:
        """A long answer, part by part as it comes."""
        try:
            async with self._client.stream("GET", path, params=query) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise CommandFailed(f"{self.service}: {_reason(answer)}")
                async for part in answer.aiter_bytes():
                    yield part
        except httpx.HTTPError as error:
            raise self._away(error) from error

    async def post(self, path: str, body: Json | None = None) -> Any:
        """The answer, None when it is empty."""
        answer = await self._ask("POST", path, json=body)
        return answer.json() if answer.content else None

    async def metrics(self) -> Samples:
        return parse((await self._ask("GET", "/metrics")).text)

    async def readiness(self) -> Json | None:
        """The body of `/readyz`, ready or not; None when nobody answers there."""
        try:
            answer = await self._client.get("/readyz")
            body = answer.json()
        except (httpx.HTTPError, ValueError):
            return None
        return {**body, "ready": answer.is_success} if isinstance(body, dict) else None

    @property
    def is_consumer(self) -> bool:
        """A service that reads no topic has neither parked messages nor positions."""
        return any(self.service in topic.readers for topic in TOPICS.values())

    async def positions(self) -> list[Json]:
        """Where its consumers stand."""
        rows: list[Json] = await self.get("/admin/positions") if self.is_consumer else []
        return rows

    async def outbox(self) -> Json:
        """Its counts, every dead row, and the oldest of those that wait."""
        listing: Json = await self.get("/admin/outbox", dead="false")
        return {**listing, "items": [*await self.items("/admin/outbox", dead="true"), *listing["items"]]}

    async def parked(self, **query: str | int | None) -> list[Json]:
        return await self.items("/admin/parked", **query) if self.is_consumer else []

    async def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        if answer.is_success:
            return answer
        away = answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        raise (NotAnswering if away else CommandFailed)(f"{self.service}: {_reason(answer)}")

    def _away(self, error: httpx.HTTPError) -> NotAnswering:
        return NotAnswering(f"{self.service} does not answer at {self._client.base_url} ({type(error).__name__}): is it running?")


def actor() -> str:
    """Who is logged in: what the services write beside each act."""
    try:
        return quote(getuser(), safe=" @.")
    except (OSError, KeyError):  # an account without a name, as containers have
        return NOBODY


@asynccontextmanager
async def endpoints(configuration: Configuration) -> AsyncIterator[dict[str, Endpoint]]:
    """All services by name."""
    headers = {"X-Klaster-Actor": actor(), "Authorization": f"Bearer {configuration.admin_token.get_secret_value()}"}
    async with service_clients(configuration, headers=headers, answer_within=ANSWER_SECONDS) as clients:
        yield {name: Endpoint(name, client) for name, client in clients.items()}


class LogEnds:
    """Asks a broker for the ends of Klaster's topics. One client, kept: its answers die with it."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})

    def read(self) -> Ends:
        """Blocks. Raises CommandFailed when the broker does not answer."""
        try:
            there = self._admin.list_topics(timeout=ANSWER_SECONDS).topics
            partitions = [(name, number) for name in TOPICS if name in there for number in there[name].partitions]
            starts, ends = (self._offsets(partitions, spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest()))
        except KafkaException as error:
            raise CommandFailed(f"Kafka does not answer at {self._servers} ({error.args[0].name()}): is it running?") from error
        return {partition: (starts[partition], ends[partition]) for partition in partitions}

    def _offsets(self, partitions: list[tuple[str, int]], spec: OffsetSpec) -> dict[tuple[str, int], int]:
        asked = self._admin.list_offsets({TopicPartition(*partition): spec for partition in partitions}, request_timeout=ANSWER_SECONDS)
        return {(partition.topic, partition.partition): future.result(ANSWER_SECONDS).offset for partition, future in asked.items()}


def _reason(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    slug = str(problem.get("type", "")).rpartition("/")[2]
    words = [str(answer.status_code), slug or answer.reason_phrase, str(problem.get("detail") or problem.get("title") or "")]
    return " ".join(word for word in words if word)
