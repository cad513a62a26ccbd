"""In which order the publisher hands records to the client, before any broker is involved."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError, RequestTimedOutError, TopicAuthorizationFailedError, UnknownError

from klaster_shared.outbox import publisher as module
from klaster_shared.outbox.publisher import FirstNotAcknowledged, KafkaPublisher, is_definitive


class Producer:
    """The part of an AIOKafkaProducer that the publisher touches; the test acknowledges."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.queued: list[tuple[bytes, asyncio.Future[Any]]] = []

    async def partitions_for(self, _topic: str) -> set[int]:
        return set(range(self.partitions))

    async def send(self, _topic: str, *, value: bytes, **_: Any) -> asyncio.Future[Any]:
        self.queued.append((value, asyncio.get_running_loop().create_future()))
        return self.queued[-1][1]

    @property
    def values(self) -> list[bytes]:
        return [value for value, _ in self.queued]


def publisher_of(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> KafkaPublisher:
    monkeypatch.setattr(module, "AIOKafkaProducer", lambda **_: producer)
    return KafkaPublisher("unused:1", client_id="test")


async def started(work: Any) -> asyncio.Task[Any]:
    task = asyncio.create_task(work)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_the_first_record_of_a_partition_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(1)
    publisher = publisher_of(producer, monkeypatch)
    await publisher.send("t", b"k", b"1", [])
    second = await started(publisher.send("t", b"k", b"2", []))
    assert producer.values == [b"1"]
    producer.queued[0][1].set_result(None)
    await second
    await publisher.send("t", b"k", b"3", [])
    assert producer.values == [b"1", b"2", b"3"]


async def test_first_records_of_different_partitions_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(50)
    publisher = publisher_of(producer, monkeypatch)
    await publisher.send("t", b"a", b"1", [])
    await publisher.send("t", b"b", b"2", [])
    await publisher.send("other", b"a", b"3", [])
    assert producer.values == [b"1", b"2", b"3"]


async def test_nothing_follows_a_first_record_that_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(1)
    publisher = publisher_of(producer, monkeypatch)
    await publisher.send("t", b"k", b"1", [])
    producer.queued[0][1].set_exception(MessageSizeTooLargeError())
    with pytest.raises(FirstNotAcknowledged):
        await publisher.send("t", b"k", b"2", [])
    assert producer.values == [b"1"]


async def test_a_partition_long_silent_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker forgets a producer that was silent for a day, and then takes any number from it again."""
    producer = Producer(1)
    publisher = publisher_of(producer, monkeypatch)
    await publisher.send("t", b"k", b"1", [])
    producer.queued[0][1].set_result(None)
    publisher._opened["t", 0].used -= module.REMEMBERED_SECONDS
    await publisher.send("t", b"k", b"2", [])
    third = await started(publisher.send("t", b"k", b"3", []))
    assert producer.values == [b"1", b"2"]
    producer.queued[1][1].set_result(None)
    await third


@pytest.mark.parametrize(
    "error", [MessageSizeTooLargeError(), UnknownError(), UnicodeEncodeError("utf-8", "x", 0, 1, "y"), AssertionError(), TypeError()]
)
def test_a_refusal_of_the_record_itself_is_definitive(error: Exception) -> None:
    assert is_definitive(error)


@pytest.mark.parametrize(
    "error", [TimeoutError(), RequestTimedOutError(), TopicAuthorizationFailedError(), ConnectionError(), FirstNotAcknowledged()]
)
def test_what_says_nothing_about_the_record_never_blames_it(error: Exception) -> None:
    assert not is_definitive(error)
