"""One database for each module, emptied before each test; a topic and a group of its own for each test."""

from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared.consuming.quota import Quota
from klaster_shared.testing.backbone import Backbone, create_tables, empty_tables


@pytest.fixture(scope="module")
async def tables(new_database: Callable[[], str]) -> str:
    """The address of a database with the backbone's tables."""
    url = new_database()
    await create_tables(url)
    return url


@pytest.fixture
async def new_backbone(tables: str, kafka_servers: str, unique_name: Callable[[str], str]) -> AsyncIterator[Callable[..., Backbone]]:
    """`new_backbone(topic, name=…)`: one more process's worth of backbone on the same database; the same name is the same group."""
    await empty_tables(tables)
    made: list[Backbone] = []

    def make(
        topic: str, *, name: str | None = None, servers: str = kafka_servers, instance: str | None = None, quota: Quota | None = None
    ) -> Backbone:
        made.append(Backbone(tables, servers, topic=topic, name=name or unique_name("ledger"), instance=instance, quota=quota))
        return made[-1]

    yield make
    for backbone in made:
        await backbone.database.dispose()


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    return new_topic("network", partitions=3)


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone], topic: str) -> Backbone:
    return new_backbone(topic)


@pytest.fixture(scope="module")
async def producer(kafka_servers: str) -> AsyncIterator[AIOKafkaProducer]:
    """Somebody else who writes to the log, past any outbox."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka_servers, acks="all", enable_idempotence=True)
    await producer.start()
    yield producer
    await producer.stop()
