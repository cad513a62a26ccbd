"""What aiokafka cannot ask a broker, and what must not be asked of the client that is under suspicion.

Through confluent-kafka's AdminClient, in a thread, because its futures block.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from aiokafka.errors import KafkaConnectionError
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

ANSWER_SECONDS = 10

type Place = tuple[str, int]
"""Topic and partition."""


class Cluster:
    """One administrative client for the process, made at the first question. Every question is answered or fails in about ten seconds.

    Each of them raises KafkaConnectionError when no broker answered, or the one that did refused.
    """

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._admin: Any = None

    async def identities(self, topics: Iterable[str]) -> dict[str, str]:
        """The id of each topic that exists."""
        names = sorted(topics)
        described = await self._ask(lambda admin: admin.describe_topics(TopicCollection(names), request_timeout=ANSWER_SECONDS))
        return {name: str(answer.topic_id) for name, answer in described.items()}

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where a consumer that reads committed records comes to an end, for each partition that exists."""
        asked = {TopicPartition(*place): OffsetSpec.latest() for place in places}
        found = await self._ask(
            lambda admin: admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS)
        )
        return {(tp.topic, tp.partition): answer.offset for tp, answer in found.items()}

    async def member_under(self, group: str, instance: str) -> str | None:
        """The id of the group's member with this instance id, if there is one."""
        described = await self._ask(lambda admin: admin.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS))
        members = [member for answer in described.values() for member in answer.members]
        return next((str(member.member_id) for member in members if member.group_instance_id == instance), None)

    async def _ask(self, question: Callable[[Any], dict[Any, "Future[Any]"]]) -> dict[Any, Any]:
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self._servers, "log_level": 2})
        return await asyncio.to_thread(_answers, question, self._admin)


class TopicIdentities:
    """What distinguishes a topic from another one that had its name before."""

    def __init__(self, servers: str) -> None:
        self.cluster = Cluster(servers)

    async def of(self, topics: Iterable[str]) -> dict[str, str]:
        """The id of each topic that exists.

        Raises:
            KafkaConnectionError: no broker answered.
        """
        return await self.cluster.identities(topics)


def _answers(question: Callable[[Any], dict[Any, "Future[Any]"]], admin: Any) -> dict[Any, Any]:
    """Without what the broker says does not exist."""
    found = {}
    try:
        for name, future in question(admin).items():
            try:
                found[name] = future.result(ANSWER_SECONDS)
            except KafkaException as error:
                if error.args[0].code() not in _MISSING:
                    raise
    except KafkaException as error:
        raise KafkaConnectionError(f"administration: {error.args[0].name()}") from error
    except TimeoutError as error:
        raise KafkaConnectionError("administration: no answer") from error
    return found


_MISSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.GROUP_ID_NOT_FOUND,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the client's own codes
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - same
}
