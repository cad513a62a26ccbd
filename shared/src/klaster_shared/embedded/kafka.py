"""Apache Kafka without an installation: its published jars on a wheel's Java, one KRaft node as a child of ours.

The one rule: **it is the real broker with its durability untouched, only sized for a laptop**: fewer threads, small buffers, short session
timeouts so that a restart after a crash takes seconds.
"""

import shutil
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from filelock import FileLock

from klaster_shared.embedded.engine import Engine, Progress
from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.jars import cache_directory, install
from klaster_shared.embedded.jvm import ENVIRONMENT, Java
from klaster_shared.embedded.ports import LOOPBACK, free_port, listening, require_free_port
from klaster_shared.embedded.supervision import Child, Program

BROKER = "kafka.Kafka"
STORAGE_TOOL = "kafka.tools.StorageTool"
STOPPED_BY_SIGTERM = 143
FORMAT_SECONDS = 60.0
ANSWER_SECONDS = 2.0
TRAINING_SECONDS = 30.0

SIZED_FOR_A_LAPTOP = {
    "num.network.threads": "1",
    "num.io.threads": "2",
    "background.threads": "1",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "group.coordinator.threads": "1",
    "share.coordinator.threads": "1",
    "metadata.max.idle.interval.ms": "5000",
    "offsets.topic.num.partitions": "5",
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker comes back only when its old session has run out.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}
ALONE = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}


class KafkaServer(Engine):
    """One Kafka node, broker and controller in one process, whose files lie in `state`.

    `cache` holds what all checkouts share (jars, ahead-of-time cache); by default the user's cache folder or KLASTER_CACHE_DIR.
    """

    name = "Kafka"
    ready_within = 60.0

    def __init__(self, state: Path, port: int, *, cache: Path | None = None, setting: str = "KLASTER_KAFKA_PORT") -> None:
        super().__init__()
        self.port = port
        self._state = state
        self._cache = cache or cache_directory()
        self._setting = setting

    @property
    def servers(self) -> str:
        """The bootstrap servers clients are given."""
        return f"{LOOPBACK}:{self.port}"

    def prepare(self, progress: Progress) -> Program:
        require_free_port(self.port, purpose=self.name, setting=self._setting)
        java = self._java(progress)
        self._lay_out(java, progress)
        return self._program(self.name, self._broker_command(java))

    def ready(self) -> bool:
        return listening(self.port) and answers(self.servers)

    def wipe(self) -> None:
        """Removes the files of a stopped broker."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _java(self, progress: Progress) -> Java:
        java = Java(install(self._cache, progress), self._cache)
        record_once(java, progress)
        return java

    def _broker_command(self, java: Java) -> tuple[str, ...]:
        return java.command(BROKER, str(self._properties), temporary=self._temporary)

    @property
    def _properties(self) -> Path:
        return self._home / "server.properties"

    @property
    def _temporary(self) -> Path:
        return self._home / "tmp"

    @property
    def _home(self) -> Path:
        return self._state / "kafka"

    @property
    def _logs(self) -> Path:
        return self._home / "data"

    def _lay_out(self, java: Java, progress: Progress) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)  # native libraries a killed broker left unpacked
        self._temporary.mkdir(parents=True)
        self._properties.write_text(java_properties(self._settings()))
        if not (self._logs / "meta.properties").exists():
            progress("Kafka: formatting its storage")
            arguments = (
                "format",
                f"--cluster-id={_new_cluster_id()}",
                "--config",
                str(self._properties),
                "--ignore-formatted",
            )  # an id may begin with a dash
            tool = self._program("Kafka's storage tool", java.command(STORAGE_TOOL, *arguments, temporary=self._temporary))
            Child(tool).run(within=FORMAT_SECONDS)

    def _settings(self) -> Mapping[str, str]:
        # Nobody but the broker itself talks to the controller, so its port may differ at each start.
        controller = f"{LOOPBACK}:{free_port()}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.servers},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.servers}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._logs),
            "auto.create.topics.enable": "false",
            **ALONE,
            **SIZED_FOR_A_LAPTOP,
        }

    def _program(self, name: str, command: tuple[str, ...]) -> Program:
        return Program(
            name=name,
            command=command,
            log=self._state / "logs" / "kafka.log",
            environment=ENVIRONMENT,
            clean_exits=frozenset({0, STOPPED_BY_SIGTERM}),
            grace=30.0,
        )


class _TrainingRun(KafkaServer):
    """A broker that lives once, for the ahead-of-time cache it leaves behind."""

    def __init__(self, state: Path, java: Java, output: Path) -> None:
        super().__init__(state, free_port(), cache=java.cache)
        self._given_java = java
        self._output = output

    def _java(self, progress: Progress) -> Java:  # noqa: ARG002 - nothing is installed or recorded within a recording
        return self._given_java

    def _broker_command(self, java: Java) -> tuple[str, ...]:
        return java.recording(BROKER, str(self._properties), temporary=self._temporary, output=self._output)


def record_once(java: Java, progress: Progress) -> None:
    """Records the ahead-of-time cache unless there is one: ten seconds once, more than a second saved at each start.

    Safe when several processes ask at once. Kafka works without it too, so a recording that fails is only reported.
    """
    if java.aot.exists():
        return
    try:
        with FileLock(java.aot.with_suffix(".lock")):
            if not java.aot.exists():
                progress("Kafka: recording a start-up cache (only once)")
                _record(java)
    except (EngineError, KafkaException, OSError) as error:
        progress(f"Kafka: no start-up cache was recorded, so starts stay slow ({error})")


def _record(java: Java) -> None:
    output = java.aot.with_suffix(".new")
    with tempfile.TemporaryDirectory(prefix="klaster-kafka-") as folder:
        training = _TrainingRun(Path(folder), java, output)
        training.start()
        try:
            _exercise(training.servers)
        except BaseException:
            training.kill()
            raise
        if not training.stop():
            raise EngineError("the recording did not end properly")
    output.replace(java.aot)


def _exercise(servers: str) -> None:
    """What every working day begins with, so that its classes are in the cache: a topic, a record written, and read back by a group."""
    quiet = {"bootstrap.servers": servers, "log_level": 0}
    admin = AdminClient(quiet)
    admin.create_topics([NewTopic("training", 1, 1)])["training"].result(TRAINING_SECONDS)
    producer = Producer({**quiet, "enable.idempotence": True})
    producer.produce("training", b"one")
    producer.flush(TRAINING_SECONDS)
    consumer = Consumer({**quiet, "group.id": "training", "auto.offset.reset": "earliest"})
    consumer.subscribe(["training"])
    if consumer.poll(TRAINING_SECONDS) is not None:
        consumer.commit()
    consumer.close()


def answers(servers: str) -> bool:
    """Whether a broker there names itself to clients, which it does only when it serves them."""
    try:
        return bool(AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=ANSWER_SECONDS).brokers)
    except KafkaException:
        return False


def java_properties(settings: Mapping[str, str]) -> str:
    """The text of a `.properties` file, which Java reads as Latin-1: all other letters are written as escapes."""
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def _escaped(value: str) -> str:
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)  # noqa: PLR2004 - the end of ASCII


def _new_cluster_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
