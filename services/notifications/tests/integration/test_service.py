"""The whole service in one process: a message on Kafka becomes a mail, and a message on Kafka says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from klaster_notifications import bootstrap
from klaster_notifications.restoring.store_guard import StoreGuard
from klaster_notifications.settings import NotificationsSettings
from klaster_notifications.testing import a_confirmation, heard
from klaster_shared.clock import SystemClock
from klaster_shared.contracts import topics
from klaster_shared.db.migrating import migrate
from klaster_shared.testing.log import read_log
from klaster_shared.testing.mail import MailSink
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


@pytest.fixture
async def running(new_database: Callable[[], str], kafka_servers: str, declared_topics: None, mail_sink: MailSink) -> AsyncIterator[bootstrap.Parts]:
    """Every component started, in its order; but for the guard, which an empty store beside the whole run's log would not please."""
    url = new_database()
    await migrate("klaster_notifications", url)
    settings = NotificationsSettings.load(database_url=url, kafka_servers=kafka_servers, smtp_host=mail_sink.host, smtp_port=mail_sink.port)
    parts = bootstrap.build(settings)
    components = [component for component in parts.assembly.components if not isinstance(component, StoreGuard)]
    for component in components:
        await component.start()
    yield parts
    for component in reversed(components):
        await component.stop()
    await parts.database.dispose()


@pytest.fixture
async def producer(kafka_servers: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_servers)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.mark.usefixtures("running")
async def test_a_registration_that_events_confirms_reaches_the_registrant_and_the_world_hears_of_it(
    producer: AIOKafkaProducer, kafka_servers: str, mail_sink: MailSink, unique_name: Callable[[str], str]
) -> None:
    address = f"{unique_name('zin-member')}@example.org"
    message, now = a_confirmation(email=address), SystemClock().now()
    envelope = heard(message, recorded_at=now, happened_at=now)
    for _ in range(2):  # at least once, as Kafka has it
        await producer.send_and_wait(
            topics.EVENTS_REGISTRATION, key=str(message.registration_id).encode(), value=envelope.data, headers=envelope.headers()
        )

    await eventually(lambda: mail_sink.messages(to=address), within=60, what="the mail")

    async def heard_of_it() -> list[str]:
        records = await asyncio.to_thread(read_log, kafka_servers, topics.NOTIFICATIONS_DELIVERY)
        told = [type_in(record) for record in records if envelope.id.encode() in record.value()]
        return told if len(told) > 1 else []

    assert await eventually(heard_of_it, within=60, what="DeliveryQueued and DeliverySent in the log") == [
        "pl.lifescience.notifications.DeliveryQueued.v1",
        "pl.lifescience.notifications.DeliverySent.v1",
    ]
    (mail,) = mail_sink.messages(to=address)
    assert mail["Subject"].startswith("Potwierdzenie udziału")


def type_in(record: Any) -> str:
    return str(dict(record.headers())["ce_type"].decode())
