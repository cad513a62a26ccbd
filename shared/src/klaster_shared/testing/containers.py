"""The engines as containers, by testcontainers: the images that the compose file runs.

The one rule: **no container outlives its run.** The process that starts one (`hosting`) removes it at its end, and that process ends with the run.
Should it be killed itself, testcontainers' reaper removes the container; where the reaper's image is not at hand, the next run does.
"""

import os
import platform
import secrets
from collections.abc import Callable
from contextlib import closing, suppress

import docker
import psutil
from docker.errors import APIError, DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.kafka import ALONE, SIZED_FOR_A_LAPTOP
from klaster_shared.embedded.ports import LOOPBACK, free_port
from klaster_shared.embedded.postgres import CLUSTER_LOCALE
from klaster_shared.testing.waiting import wait_until

POSTGRES = "postgres:17"
KAFKA = "apache/kafka:4.3.1"
MAILPIT = "axllent/mailpit:v1.27.11"
START_SECONDS = 90.0
LAST_WORDS = 15
MACHINE_LABEL = "pl.lifescience.klaster.tests.machine"
PROCESS_LABEL = "pl.lifescience.klaster.tests.process"


def docker_missing() -> str | None:
    """Why containers cannot be run here, or None if they can."""
    try:
        with closing(docker.from_env()) as engine:
            engine.ping()
    except DockerException as error:
        return f"no Docker engine answers ({error})"
    return None


def use_reaper_if_present() -> None:
    """Switches testcontainers' reaper off where its image is not at hand, and does its work once: registries may be out of reach."""
    with closing(docker.from_env()) as engine:
        try:
            engine.images.get(testcontainers_config.ryuk_image)
        except ImageNotFound:
            testcontainers_config.ryuk_disabled = True
            for container in engine.containers.list(all=True, filters={"label": f"{MACHINE_LABEL}={platform.node()}"}):
                if not _is_running(int(container.labels[PROCESS_LABEL])):
                    with suppress(APIError):  # another run that begins now removes it, too
                        container.remove(force=True, v=True)


def _is_running(process: int) -> bool:
    """A killed process that its parent has not asked about yet has ended all the same."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class EngineContainer(DockerContainer):
    """A container whose ports on the host are chosen before it starts: Kafka must know the address that clients use."""

    def __init__(self, image: str) -> None:
        use_reaper_if_present()
        super().__init__(image, labels={MACHINE_LABEL: platform.node(), PROCESS_LABEL: str(os.getpid())})
        host = self.get_docker_client().host()
        self.host = LOOPBACK if host == "localhost" else host

    def on_host(self, port: int) -> int:
        """Publishes the container's port and returns the host's."""
        chosen = free_port()
        self.with_bind_ports(port, chosen)
        return chosen

    def wait_ready(self, ready: Callable[[], bool]) -> None:
        """Returns when `ready()` is true; raises EngineError with the container's last words if it ends before."""

        def ready_or_ended() -> bool:
            self.reload()
            return self.status == "exited" or ready()

        wait_until(ready_or_ended, within=START_SECONDS, what=f"an answer of {self.image}")
        if self.status == "exited":
            raise EngineError(
                f"The container of {self.image} ended before it was ready:", self.get_wrapped_container().logs(tail=LAST_WORDS).decode()
            )


class PostgresContainer(EngineContainer):
    """PostgreSQL with the locale of the embedded one, so that both sort alike."""

    def __init__(self) -> None:
        super().__init__(POSTGRES)
        self.password = secrets.token_urlsafe(24)
        self.port = self.on_host(5432)
        self.with_env("POSTGRES_PASSWORD", self.password)
        self.with_env("POSTGRES_INITDB_ARGS", " ".join(CLUSTER_LOCALE))
        self.with_command("postgres -c max_connections=200")


class KafkaContainer(EngineContainer):
    """One Kafka node, sized like the embedded one."""

    def __init__(self) -> None:
        super().__init__(KAFKA)
        self.port = self.on_host(9092)
        for name, value in self._settings().items():
            self.with_env("KAFKA_" + name.replace(".", "_").upper(), value)
        self.with_env("KAFKA_HEAP_OPTS", "-Xmx256m")

    @property
    def servers(self) -> str:
        """The bootstrap servers clients are given."""
        return f"{self.host}:{self.port}"

    def _settings(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": "1@localhost:9093",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093,ITSELF://localhost:9094",
            # For transactions the node calls itself, and the clients' address is none inside the container.
            "advertised.listeners": f"PLAINTEXT://{self.servers},ITSELF://localhost:9094",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,ITSELF:PLAINTEXT",
            "inter.broker.listener.name": "ITSELF",
            "controller.listener.names": "CONTROLLER",
            "auto.create.topics.enable": "false",
            **ALONE,
            **SIZED_FOR_A_LAPTOP,
        }


class MailpitContainer(EngineContainer):
    """Mailpit: SMTP, and an HTTP interface that shows what came."""

    def __init__(self) -> None:
        super().__init__(MAILPIT)
        self.smtp = self.on_host(1025)
        self.http = self.on_host(8025)
