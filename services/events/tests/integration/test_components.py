"""The parts that work beside HTTP: deadlines on their own, answers through Kafka, gauges."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from klaster_events import bootstrap
from klaster_events.adapters.work import EventsWork
from klaster_events.consumers import build_consumers
from klaster_events.deadlines import Deadlines
from klaster_events.domain.approval import Financing
from klaster_events.domain.event import EventStatus
from klaster_events.metrics import EventsMetrics
from klaster_events.testing import NOON, PATIENCE, Commands, a_cost
from klaster_shared.consuming.consumer import RunningConsumer
from klaster_shared.contracts.budget import CommitmentReserved
from klaster_shared.contracts.registry import enclose
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.ids import new_id
from klaster_shared.kafka import TopicIdentities
from klaster_shared.observability.metrics import Metrics, new_registry
from klaster_shared.testing.fakes import FixedClock
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


async def test_deadlines_are_looked_at_without_being_asked(commands: Commands, parts: bootstrap.Parts, clock: FixedClock) -> None:
    event = await commands.approved(a_cost())
    deadlines = Deadlines(parts.transactions)

    async def is_a_draft_again() -> bool:
        return (await commands.in_full(event)).event.status is EventStatus.DRAFT

    await deadlines.start()
    try:
        assert deadlines.report()["ok"]
        clock.advance(PATIENCE)
        await eventually(is_a_draft_again, what="the overdue event to be a draft again")
    finally:
        await deadlines.stop()
    assert not deadlines.report()["ok"]


async def test_deadlines_go_on_being_looked_at_while_the_database_is_away(clock: FixedClock) -> None:
    nowhere = Database("postgresql+asyncpg://events@127.0.0.1:1/events", name="events")
    deadlines = Deadlines(Transactions(nowhere, EventsWork, clock=clock, wake=lambda: None))

    await deadlines.start()
    try:
        await eventually(lambda: deadlines.report()["trouble"] == "DatabaseAway", what="the trouble to be reported")
        assert not deadlines.report()["ok"]
    finally:
        await deadlines.stop()


@pytest.fixture
def through_kafka(parts: bootstrap.Parts, kafka_servers: str, new_topic: Callable[..., str], unique_name: Callable[[str], str]) -> tuple[str, Any]:
    """A topic, and the service's consumer reading it as a group of its own."""
    topic, (declared,) = new_topic("commitments", partitions=1), build_consumers()
    metrics = Metrics(new_registry())
    consumer = RunningConsumer(
        replace(declared, name=unique_name(declared.name), topics=(topic,)),
        parts.transactions,
        servers=kafka_servers,
        instance=None,
        metrics=metrics,
        identities=TopicIdentities(kafka_servers),
        middleware=KafkaPrometheusMiddleware(registry=metrics.registry),
    )
    return topic, consumer


async def test_an_answer_that_comes_through_kafka_secures_the_financing(
    commands: Commands, through_kafka: tuple[str, Any], kafka_servers: str
) -> None:
    event = await commands.approved(a_cost())
    approval = await commands.current_approval(event)
    topic, consumer = through_kafka
    answer = CommitmentReserved(commitment_id=new_id(), event_id=event, approval_id=approval, grant_id=new_id(), lines=(), open=())
    envelope = enclose(answer, id=new_id(), time=NOON, recorded_time=NOON, sequence=1, correlation_id="flow", causation_id="cause")

    async def is_secured() -> bool:
        return (await commands.in_full(event)).approval.financing is Financing.SECURED

    producer = AIOKafkaProducer(bootstrap_servers=kafka_servers)
    await asyncio.gather(producer.start(), consumer.start())
    try:
        await producer.send_and_wait(topic, envelope.data, key=str(answer.commitment_id).encode(), headers=envelope.headers())
        await eventually(is_secured, within=30, what="the answer to be applied")
    finally:
        await asyncio.gather(producer.stop(), consumer.stop())


async def test_the_gauges_show_what_is_stored(commands: Commands, parts: bootstrap.Parts, clock: FixedClock) -> None:
    metrics = Metrics(new_registry())
    gauges = EventsMetrics(metrics, clock)

    async def shown(name: str, **labels: str) -> float:
        async with parts.database.connect() as connection:
            await gauges.refresh(connection)
        value = metrics.registry.get_sample_value(name, labels)
        assert value is not None
        return value

    async def all_shown() -> list[float]:
        return [
            await shown("klaster_events_events", status="published"),
            await shown("klaster_events_registrations", status="confirmed"),
            await shown("klaster_events_registrations", status="waitlisted"),
            await shown("klaster_saga_open", saga="approval"),
            await shown("klaster_saga_overdue", saga="approval"),
        ]

    before = await all_shown()
    event = await commands.published(capacity=1)
    for number in range(3):
        await commands.register(event, f"person-{number}@example.org")
    await commands.approved(a_cost())
    clock.advance(PATIENCE)

    after = await all_shown()

    assert [now - then for now, then in zip(after[:4], before[:4], strict=True)] == [1, 1, 2, 1]
    assert after[4] == after[3]
