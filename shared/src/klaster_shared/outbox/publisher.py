"""The producer that the relay sends with, and how to throw it away.

The one rule: a producer that failed once is never used again. An idempotent producer that met a definitive rejection
refuses every later record of that partition for ever, and one whose stop() was cancelled goes on to deliver its queue
(docs/architecture/outbox.md, "A failed send"). `hard_close` ends both.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, UnknownError
from aiokafka.partitioner import DefaultPartitioner

BATCH_BYTES = 256 * 1024
REQUEST_BYTES = 1_000_000
"""Below the broker's default message.max.bytes, so that an oversized record is refused here, where it harms nothing else."""
REMEMBERED_SECONDS = 3600.0
"""How long a broker is trusted to remember a producer that is silent; it forgets one after a day (producer.id.expiration.ms)."""
CLOSING_SECONDS = 1.0

type Headers = Sequence[tuple[str, bytes]]


class Publisher(Protocol):
    """What the relay needs of a Kafka client."""

    async def start(self) -> None: ...

    async def send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> asyncio.Future[Any]:
        """Queues one record, in the order of calls; the future ends with the broker's acknowledgement. Once a record was not
        acknowledged, no later one of its partition is stored.

        Raises anything the client raises before the record was queued; the record has then not been sent.
        """
        ...

    async def hard_close(self) -> None:
        """Every pending future has ended when it returns, and nothing is sent any more; what the broker had already received it may still store."""
        ...


class FirstNotAcknowledged(Exception):
    """Nothing more is sent to a partition whose first record on this producer was not acknowledged."""


@dataclass(slots=True)
class Opening:
    """A partition this producer has begun to write to: its first record, and when it was last used (monotonic seconds)."""

    first: asyncio.Future[Any]
    used: float


class KafkaPublisher:
    """Idempotent, acks=all, no linger: the relay's pipelining makes the batches.

    A broker refuses a gap in a producer's sequence only where it knows the producer: from one it has not met yet it takes any
    number as the first. So the first record to each partition goes alone, and what follows waits for its acknowledgement.
    """

    def __init__(self, servers: str, *, client_id: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers,
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=REQUEST_BYTES,
            request_timeout_ms=10_000,
            retry_backoff_ms=100,
            metadata_max_age_ms=10_000,
        )
        self._partition_of = DefaultPartitioner()
        self._opened: dict[tuple[str, int], Opening] = {}

    async def start(self) -> None:
        try:
            await self._producer.start()
        except BaseException:
            await self.hard_close()
            raise

    async def send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> asyncio.Future[Any]:
        partitions = sorted(await self._producer.partitions_for(topic))
        place = (topic, self._partition_of(key, partitions, partitions))
        opened, now = self._opened.get(place), time.monotonic()
        if opened is not None and now - opened.used < REMEMBERED_SECONDS:
            await _acknowledged(opened.first)
            opened.used = now
            return await self._queue(place, key, value, headers)
        future = await self._queue(place, key, value, headers)
        self._opened[place] = Opening(future, now)
        return future

    async def _queue(self, place: tuple[str, int], key: bytes, value: bytes, headers: Headers) -> asyncio.Future[Any]:
        topic, partition = place
        future: asyncio.Future[Any] = await self._producer.send(topic, value=value, key=key, partition=partition, headers=list(headers))
        return future

    async def hard_close(self, grace: float = CLOSING_SECONDS) -> None:
        producer = self._producer
        with suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), grace)
        # stop() has no limit of its own while the broker is away, and a cancelled one leaves the sender running
        sender = producer._sender.sender_task  # noqa: SLF001 - the public stop() cannot do this; a test holds the seam
        if sender is not None:
            sender.cancel()  # it still waits for its requests, and they end with their connections
        await producer.client.close()
        if sender is not None:
            await asyncio.wait([sender], timeout=CLOSING_SECONDS)
            sender.cancel()  # a request put back into the queue may wait for metadata that nobody fetches any more
            await asyncio.wait([sender], timeout=CLOSING_SECONDS)
        _fail_queue(producer._message_accumulator)  # noqa: SLF001 - same


def _fail_queue(queue: Any) -> None:
    """Ends the futures of all that was not sent, without the two complaints that aiokafka's own `fail_all` leaves in the log: of
    batches that were put back after a lost connection, and of waiters whom nobody asks any more.
    """
    waiting = [batch for batches in queue._batches.values() for batch in batches]  # noqa: SLF001 - same seam
    queue._pending_batches.update(waiting)  # noqa: SLF001 - same
    queue.fail_all(ConnectionError("producer closed"))
    for batch in waiting:
        batch._drain_waiter.exception()  # noqa: SLF001 - same


async def _acknowledged(first: asyncio.Future[Any]) -> None:
    if not first.done():
        await asyncio.wait([first])
    if first.cancelled() or first.exception() is not None:
        raise FirstNotAcknowledged


def is_definitive(error: BaseException) -> bool:
    """Whether the broker or the client refused the record itself: too large, INVALID_RECORD (which aiokafka knows only as
    error -1), or not encodable. Everything else (timeouts, authorisation, unknown topic, leadership, connection) says
    nothing about the record.
    """
    return isinstance(error, (MessageSizeTooLargeError, UnknownError, UnicodeError, AssertionError, ValueError, TypeError)) and not isinstance(
        error, TimeoutError
    )
