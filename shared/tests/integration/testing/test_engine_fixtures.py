import smtplib
from collections.abc import Callable
from email.message import EmailMessage

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from klaster_shared.testing.mail import MailSink
from klaster_shared.testing.waiting import wait_until

pytestmark = pytest.mark.engines


async def test_a_module_gets_a_database_it_owns(database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.execute("create table note (text text)")
        await connection.execute("insert into note values ('kept')")
        assert await connection.fetchval("select text from note") == "kept"
    finally:
        await connection.close()


async def test_each_new_database_is_another_one(new_database: Callable[[], str]) -> None:
    assert new_database() != new_database()


async def test_a_record_comes_back_from_kafka(kafka_servers: str, new_topic: Callable[..., str]) -> None:
    topic = new_topic("echo")
    async with AIOKafkaProducer(bootstrap_servers=kafka_servers) as producer:
        await producer.send_and_wait(topic, b"hello")
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka_servers, auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"hello"


def test_a_mail_arrives_in_the_sink(mail_sink: MailSink, unique_name: Callable[[str], str]) -> None:
    address = f"{unique_name('someone')}@example.org"
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "office@example.org", address, "Zażółć"
    mail.set_content("Treść")
    with smtplib.SMTP(mail_sink.host, mail_sink.port) as client:
        client.send_message(mail)
    (arrived,) = wait_until(lambda: mail_sink.messages(to=address))
    assert arrived["Subject"] == "Zażółć"
