import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from klaster_shared.embedded.engine import silent
from klaster_shared.embedded.errors import PortTaken
from klaster_shared.embedded.jars import cache_directory, install
from klaster_shared.embedded.jvm import Java
from klaster_shared.embedded.kafka import KafkaServer
from klaster_shared.embedded.ports import free_port

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with tempfile.TemporaryDirectory(prefix="klaster-zażółć-") as folder, KafkaServer(Path(folder), free_port()) as server:
        yield server


@pytest.fixture
def topic(server: KafkaServer, unique_name: Callable[[str], str]) -> str:
    name = unique_name("topic")
    admin = AdminClient({"bootstrap.servers": server.servers})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


def written(server: KafkaServer, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": server.servers, "acks": "all"})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def read(server: KafkaServer, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": server.servers, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        return [record.value() for record in consumer.consume(count, timeout=30)]
    finally:
        consumer.close()


def test_a_record_is_read_back(server: KafkaServer, topic: str) -> None:
    written(server, topic, b"one")
    assert read(server, topic, 1) == [b"one"]


def test_topics_are_not_created_by_mentioning_them(server: KafkaServer) -> None:
    mentioned = AdminClient({"bootstrap.servers": server.servers, "allow.auto.create.topics": True})
    described = mentioned.list_topics("unheard-of", timeout=10).topics["unheard-of"]
    assert described.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_acknowledged_records_survive_a_kill(server: KafkaServer, topic: str) -> None:
    values = [f"{number}".encode() for number in range(500)]
    written(server, topic, *values)
    server.kill()
    server.start()
    assert read(server, topic, len(values)) == values


def test_a_broker_stops_properly_and_starts_with_what_it_had(server: KafkaServer, topic: str) -> None:
    written(server, topic, b"kept")
    assert server.stop() is True
    server.start()
    assert read(server, topic, 1) == [b"kept"]


def test_a_taken_port_is_told_in_one_line_before_anything_is_created(engine_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^Port {port} is taken; Kafka needs it.*KLASTER_KAFKA_PORT"):
            KafkaServer(engine_directory, port).start()
    assert list(engine_directory.iterdir()) == []


def test_a_started_broker_has_left_a_start_up_cache_for_the_next(server: KafkaServer) -> None:
    java = Java(install(cache_directory(), silent), cache_directory())
    assert java.aot.exists()
    assert f"-XX:AOTCache={java.aot}".encode() in Path(f"/proc/{server.pid}/cmdline").read_bytes().split(b"\0")


def test_a_broker_works_without_a_start_up_cache(engine_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder nobody can write to, or a disk without room for the recording."""
    told: list[str] = []
    cache = engine_directory / "cache"
    cache.mkdir()
    for jar in install(cache_directory(), silent):
        (cache / jar.parent.name).mkdir(exist_ok=True)
        os.link(jar, cache / jar.parent.name / jar.name)
    (cache / jar.parent.name / "verified").touch()
    monkeypatch.setattr("klaster_shared.embedded.kafka.TRAINING_SECONDS", 0.0)
    server = KafkaServer(engine_directory, free_port(), cache=cache)
    try:
        server.start(told.append)
        assert server.ready()
    finally:
        server.stop()
    assert any("no start-up cache was recorded" in line for line in told)
