"""Engines of a chaos run's own, and the four services on them as processes: what faults are done to.

The one rule: whatever waits here lets the event loop go on, because load, proxies and mail server live in it: a start that blocked would
stop the load together with the fault.
"""

import asyncio
import os
import secrets
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import httpx
from confluent_kafka.admin import AdminClient

from klaster_local.endpoints import Endpoint
from klaster_local.settling import Look, settle
from klaster_local.topics import apply, declared, look, plan
from klaster_shared.embedded.engine import Progress, silent
from klaster_shared.embedded.kafka import KafkaServer
from klaster_shared.embedded.ports import LOOPBACK, free_port
from klaster_shared.embedded.postgres import DatabaseSpec, PostgresAccess, PostgresServer
from klaster_shared.testing.processes import SERVICES, ServiceProcess
from tests.chaos.mailing import ChaosMail
from tests.chaos.proxy import Direction, Proxy

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 180.0
SETTLE_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.02


class ProcessEnded(Exception):
    """A service that should be at work is not there."""


class Link(Protocol):
    """The network between one service and one engine; clients connect to its port."""

    port: int

    def cut(self) -> None: ...

    def reset(self) -> None: ...

    def blackhole(self) -> None: ...

    def swallow(self, direction: Direction) -> None: ...

    def forget(self) -> None: ...

    def delay(self, seconds: float) -> None: ...

    def mend(self) -> None: ...


class Server(Protocol):
    """An engine, in whatever it runs."""

    @property
    def name(self) -> str: ...

    def begin(self, progress: Progress) -> object: ...

    def ready(self) -> bool: ...

    def kill(self) -> None: ...

    def stop(self) -> bool: ...


class TwoDoorKafka(KafkaServer):
    """A broker that names itself differently to those who come through the second door: whoever enters by the proxy stays behind it."""

    def __init__(self, state: Path, port: int, *, second: int, named: int) -> None:
        """`second`: the port of the second door; `named`: the proxy's port, which clients there are told."""
        super().__init__(state, port)
        self._second, self._named = second, named

    def _settings(self) -> Mapping[str, str]:
        return with_second_door(super()._settings(), f"{LOOPBACK}:{self._second}", f"{LOOPBACK}:{self._named}")


def with_second_door(settings: Mapping[str, str], listening: str, named: str) -> Mapping[str, str]:
    return {
        **settings,
        "listeners": f"{settings['listeners']},BEHIND://{listening}",
        "advertised.listeners": f"{settings['advertised.listeners']},BEHIND://{named}",
        "listener.security.protocol.map": f"{settings['listener.security.protocol.map']},BEHIND:PLAINTEXT",
        "inter.broker.listener.name": settings.get("inter.broker.listener.name", "PLAINTEXT"),
    }


@dataclass(slots=True)
class System:
    """Everything that a row may break. `to_kafka` and `to_postgres` are only on the way of processes started with `behind_proxies`."""

    folder: Path
    kafka: Server
    kafka_servers: str
    postgres: Server
    access: PostgresAccess
    databases: Mapping[str, str]
    services: dict[str, ServiceProcess]
    mail: ChaosMail
    to_kafka: Link
    to_postgres: Link
    admin: AdminClient
    replicas: list[ServiceProcess] = field(default_factory=list)
    made: int = 0

    @property
    def addresses(self) -> dict[str, str]:
        return {name: service.url for name, service in self.services.items()}

    def behind_proxies(self, service: str) -> dict[str, str]:
        """The environment of a start of the service behind both proxies."""
        return {
            "KLASTER_KAFKA_SERVERS": f"{LOOPBACK}:{self.to_kafka.port}",
            f"{service.upper()}_DATABASE_URL": self.databases[service].replace(f":{self.access.port}/", f":{self.to_postgres.port}/"),
        }

    def replica(self, service: str, **environment: str) -> ServiceProcess:
        """A further process of the service, not started yet; of dynamic membership, so that it takes its leave when it ends."""
        self.made += 1
        given = self.environment(service) | {"KLASTER_INSTANCE_ID": ""} | environment
        process = ServiceProcess(service, given, self.folder / "logs" / f"replica-{self.made}")
        self.replicas.append(process)
        return process

    def environment(self, service: str) -> dict[str, str]:
        """Membership is static: a killed consumer is back in its group at once, and a run of hundreds of kills takes minutes."""
        given = {
            "KLASTER_KAFKA_SERVERS": self.kafka_servers,
            "KLASTER_INSTANCE_ID": "first",
            "KLASTER_LOG_LEVEL": "warning",
            f"{service.upper()}_DATABASE_URL": self.databases[service],
        }
        if service == "notifications":
            given |= {"NOTIFICATIONS_SMTP_HOST": LOOPBACK, "NOTIFICATIONS_SMTP_PORT": str(self.mail.port)}
        return given

    async def start(self) -> None:
        for finish in [service.begin_migration() for service in self.services.values()]:
            finish()
        for service in self.services.values():
            service.begin()
        await self.at_work()

    async def at_work(self) -> float:
        """Until every service is at work; how long it took, in seconds."""
        began = time.monotonic()
        for service in self.services.values():
            await at_work(service)
        return time.monotonic() - began

    async def settled(self) -> Look:
        async with AsyncExitStack() as opened:
            clients = {name: await opened.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20)) for name, url in self.addresses.items()}
            endpoints = {name: Endpoint(name, client) for name, client in clients.items()}
            return await settle(endpoints, self.kafka_servers, show=lambda _: None, within=SETTLE_SECONDS)

    async def repair(self) -> None:
        """Makes everything whole, whatever a row that did not come to its end has left behind: the next row deserves a system."""
        for link in (self.to_kafka, self.to_postgres):
            link.mend()
        await self.mail.restore()
        for server in (self.kafka, self.postgres):
            if not await asyncio.to_thread(server.ready):
                server.kill()
                await begin(server)
        for process in [*self.replicas, *self.services.values()]:
            if process.running:
                process.kill()
        for process in self.services.values():
            process.begin()
        await self.at_work()

    def close(self) -> None:
        for process in [*self.services.values(), *self.replicas]:
            if process.running:
                process.kill()
        self.kafka.stop()
        self.postgres.stop()


async def until(condition: Callable[[], object], *, what: str, within: float = START_SECONDS) -> None:
    """Asked in a thread, because conditions talk to processes. Raises TimeoutError that names what was waited for."""
    deadline = time.monotonic() + within
    while not await asyncio.to_thread(condition):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come about within {within:g} s")
        await asyncio.sleep(LOOK_SECONDS)


async def at_work(process: ServiceProcess) -> None:
    """Raises ProcessEnded when it has ended instead."""

    def at_work_or_ended() -> bool:
        return not process.running or process.at_work()

    await until(at_work_or_ended, what=f"{process.name} at work")
    if not process.running:
        raise ProcessEnded(f"{process.name} ended with {process.exit_status} instead of working; see {process.log}")


async def begin(engine: Server) -> None:
    """Starts an engine and waits for it, and the loop goes on meanwhile."""
    engine.begin(silent)
    await until(engine.ready, what=f"{engine.name} ready")


async def terminated(process: ServiceProcess) -> float:
    """SIGTERM; seconds until the process has ended."""
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    await until(lambda: not process.running, what=f"the end of {process.name}")
    return time.monotonic() - began


def create_topics(servers: str) -> AdminClient:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})
    done = apply(plan(declared(ROOT / "deploy" / "kafka" / "topics.yaml"), look(admin), replication_factor=1), admin)
    if done.failures:
        raise RuntimeError(f"topics could not be created: {done.failures}")
    return admin


def create_databases(access: PostgresAccess) -> dict[str, str]:
    """Service → URL of an empty database."""
    specs = {service: DatabaseSpec(database=service, role=service, password=secrets.token_urlsafe(12)) for service in SERVICES}
    access.provide(specs.values())
    return {service: access.url(spec) for service, spec in specs.items()}


@contextmanager
def new_home() -> Iterator[Path]:
    """An empty folder through which PostgreSQL's account can pass."""
    with tempfile.TemporaryDirectory(prefix="klaster-chaos-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@asynccontextmanager
async def embedded_system() -> AsyncIterator[System]:
    """Embedded engines, the test proxy as the network, all services at work."""
    with new_home() as home:
        ports = {name: free_port() for name in ("kafka", "second", "named", "postgres")}
        kafka = TwoDoorKafka(home, ports["kafka"], second=ports["second"], named=ports["named"])
        postgres = PostgresServer(home, ports["postgres"])
        async with Proxy(ports["second"], port=ports["named"]) as to_kafka, Proxy(ports["postgres"]) as to_postgres, ChaosMail(home / "mail") as mail:
            system: System | None = None
            try:
                for engine in (kafka, postgres):
                    await begin(engine)
                databases = create_databases(postgres.access)
                system = System(
                    folder=home,
                    kafka=kafka,
                    kafka_servers=kafka.servers,
                    postgres=postgres,
                    access=postgres.access,
                    databases=databases,
                    services={},
                    mail=mail,
                    to_kafka=to_kafka,
                    to_postgres=to_postgres,
                    admin=create_topics(kafka.servers),
                )
                system.services = {name: ServiceProcess(name, system.environment(name), home / "logs") for name in SERVICES}
                await system.start()
                yield system
            finally:
                if system is not None:
                    system.close()
                else:
                    kafka.stop()
                    postgres.stop()
                postgres.wipe()
