"""The producer that the relay sends with, and how to throw it away.

The one rule: a producer that failed once is never used again. An idempotent producer that met a definitive rejection
refuses every later record of that partition for ever, and one whose stop() was cancelled goes on to deliver its queue
(docs/architecture/outbox.md, "A failed send"). `hard_close` ends both.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, UnknownError

BATCH_BYTES = 256 * 1024
REQUEST_BYTES = 1_000_000
"""Below the broker's default message.max.bytes, so that an oversized record is refused here, where it harms nothing else."""

type Headers = Sequence[tuple[str, bytes]]


class Publisher(Protocol):
    """What the relay needs of a Kafka client."""

    async def start(self) -> None: ...

    async def send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> asyncio.Future[Any]:
        """Queues one record, in the order of calls; the future ends with the broker's acknowledgement.

        Raises anything the client raises before the record was queued; the record has then not been sent.
        """
        ...

    async def hard_close(self) -> None:
        """Nothing is delivered after it returns; every pending future has ended."""
        ...


class KafkaPublisher:
    """Idempotent, acks=all, no linger: the relay's pipelining makes the batches."""

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

    async def start(self) -> None:
        try:
            await self._producer.start()
        except BaseException:
            await self.hard_close()
            raise

    async def send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = await self._producer.send(topic, value=value, key=key, headers=list(headers))
        return future

    async def hard_close(self, grace: float = 1.0) -> None:
        producer = self._producer
        with suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), grace)
        # stop() has no limit of its own while the broker is away, and a cancelled one leaves the sender running
        if producer._sender is not None:  # noqa: SLF001 - the public stop() cannot do this; tests/contracts hold the seam
            await producer._sender.close()  # noqa: SLF001
        producer._message_accumulator.fail_all(ConnectionError("producer closed"))  # noqa: SLF001
        await producer.client.close()


def is_definitive(error: BaseException) -> bool:
    """Whether the broker or the client refused the record itself: too large, INVALID_RECORD (which aiokafka knows only as
    error -1), or not encodable. Everything else (timeouts, authorisation, unknown topic, leadership, connection) says
    nothing about the record.
    """
    return isinstance(error, (MessageSizeTooLargeError, UnknownError, UnicodeError, AssertionError, ValueError, TypeError)) and not isinstance(
        error, TimeoutError
    )
