"""The parts that work beside HTTP: deadlines and answers through Kafka, gauges."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from klaster_events import bootstrap
from klaster_events.adapters.work import EventsWork
from klaster_events.consumers import build_consumers
from klaster_events.deadlines import Deadlines
from klaster_events.domain.approval import Financing
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import EventId
from klaster_events.metrics import EventsMetrics
from klaster_events.testing import FLOW, NOON, PATIENCE, Commands, a_cost
from klaster_shared.consuming.consumer import RunningConsumer
from klaster_shared.contracts import topics
from klaster_shared.contracts.budget import CommitmentReserved
from klaster_shared.contracts.envelope import decode
from klaster_shared.contracts.registry import enclose
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.ids import new_id
from klaster_shared.kafka import TopicIdentities
from klaster_shared.observability.metrics import Metrics, new_registry
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.outbox.relay import Relay
from klaster_shared.testing.backbone import running
from klaster_shared.testing.fakes import FixedClock
from klaster_shared.testing.log import read_log
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


def running_consumer(name: str, parts: bootstrap.Parts, servers: str, unique_name: Callable[[str], str], topic: str) -> RunningConsumer[EventsWork]:
    """The service's consumer of that name, reading `topic` as a group of its own."""
    (declared,) = [each for each in build_consumers() if each.name == name]
    metrics = Metrics(new_registry())
    return RunningConsumer(
        replace(declared, name=unique_name(name), topics=(topic,)),
        parts.transactions,
        servers=servers,
        instance=None,
        metrics=metrics,
        identities=TopicIdentities(servers),
        middleware=KafkaPrometheusMiddleware(registry=metrics.registry),
    )


async def test_a_deadline_that_passes_comes_back_through_kafka_and_returns_the_event_to_draft(
    commands: Commands,
    parts: bootstrap.Parts,
    clock: FixedClock,
    kafka_servers: str,
    declared_topics: None,
    unique_name: Callable[[str], str],
) -> None:
    relay = Relay(parts.database, lambda: KafkaPublisher(kafka_servers, client_id="relay"), metrics=Metrics(new_registry()), clock=clock)
    consumer = running_consumer("events.approvals", parts, kafka_servers, unique_name, topics.EVENTS_APPROVAL)
    event = await commands.approved(a_cost())

    async def is_a_draft_again() -> bool:
        return (await commands.in_full(event)).event.status is EventStatus.DRAFT

    async with running(relay, consumer):
        clock.advance(PATIENCE)
        await eventually(is_a_draft_again, within=60, what="the overdue event to be a draft again")
    (returned,) = [body for body in await published(kafka_servers, event) if body["type"] == "EventReturnedToDraft"]
    assert (returned["reason"], returned["correlation"]) == ("overdue", FLOW)


async def published(servers: str, event: EventId) -> list[dict[str, Any]]:
    """What has been said about the event, to whoever listens or still in the outbox: bodies with `type` and `correlation`."""
    records = [decode(record.value(), record.headers()) for record in await asyncio.to_thread(read_log, servers, topics.EVENTS_EVENT)]
    mine = [envelope for envelope in records if envelope.subject == str(event)]
    return [{"type": envelope.type.split(".")[-2], "correlation": envelope.correlation_id, **orjson.loads(envelope.data)} for envelope in mine]


async def test_open_deadlines_are_scheduled_as_soon_as_the_database_is_there(clock: FixedClock, parts: bootstrap.Parts) -> None:
    nowhere = Database("postgresql+asyncpg://events@127.0.0.1:1/events", name="events")
    transactions = Transactions(nowhere, EventsWork, clock=clock, wake=lambda: None)
    deadlines = Deadlines(transactions)

    async with running(deadlines):
        await eventually(lambda: deadlines.report()["trouble"] == "DatabaseAway", what="the trouble to be reported")
        assert not deadlines.report()["ok"]
        transactions.database = parts.database
        await eventually(lambda: deadlines.report()["ok"], within=40, what="the deadlines to have been scheduled")


@pytest.fixture
def through_kafka(parts: bootstrap.Parts, kafka_servers: str, new_topic: Callable[..., str], unique_name: Callable[[str], str]) -> tuple[str, Any]:
    topic = new_topic("commitments", partitions=1)
    return topic, running_consumer("events.budget", parts, kafka_servers, unique_name, topic)


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
