"""What aiokafka cannot ask a broker: the identity of a topic, which a name does not have.

Through confluent-kafka's AdminClient, in a thread, because its futures block.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

ANSWER_SECONDS = 10


class TopicIdentities:
    """Reads topic ids. One client for the process, made at the first question."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._admin: Any = None

    async def of(self, topics: Iterable[str]) -> dict[str, str]:
        """The id of each topic that exists.

        Raises:
            KafkaConnectionError: no broker answered.
        """
        return await asyncio.to_thread(self._read, sorted(topics))

    def _read(self, topics: list[str]) -> dict[str, str]:
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self._servers, "log_level": 2})
        found: dict[str, str] = {}
        try:
            for name, future in self._admin.describe_topics(TopicCollection(topics), request_timeout=ANSWER_SECONDS).items():
                identity = _identity(future)
                if identity is not None:
                    found[name] = identity
        except KafkaException as error:
            raise KafkaConnectionError(f"topic ids: {error.args[0].name()}") from error
        return found


def _identity(described: Any) -> str | None:
    try:
        return str(described.result(ANSWER_SECONDS).topic_id)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
