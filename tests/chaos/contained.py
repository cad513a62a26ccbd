"""The same system on containers, with Toxiproxy as the network: the tools that others trust, against the proxy and the engines of our own."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from http import HTTPMethod
from typing import Final
from urllib.request import Request, urlopen

from klaster_shared.embedded.engine import Progress
from klaster_shared.embedded.kafka import answers
from klaster_shared.embedded.ports import LOOPBACK, free_port, listening
from klaster_shared.embedded.postgres import PostgresAccess
from klaster_shared.testing.containers import EngineContainer, KafkaContainer, PostgresContainer
from klaster_shared.testing.offers import accepts
from klaster_shared.testing.processes import SERVICES, ServiceProcess
from tests.chaos.engines import System, create_databases, create_topics, new_home, with_second_door
from tests.chaos.ledger import Json, Ledger
from tests.chaos.mailing import ChaosMail
from tests.chaos.proxy import Direction
from tests.chaos.running import Judge
from tests.chaos.tiers import Arena

TOXIPROXY: Final = "ghcr.io/shopify/toxiproxy:2.12.0"
ANSWER_SECONDS: Final = 10
SECOND_DOOR: Final = 9095
STREAMS: Final = {Direction.THERE: "upstream", Direction.BACK: "downstream"}
HOLE: Final = {"type": "timeout", "attributes": {"timeout": 0}}


class ToxiproxyContainer(EngineContainer):
    """On the host's own network: what it stands between has its ports there."""

    def __init__(self) -> None:
        super().__init__(TOXIPROXY)
        self.control = free_port()
        self.with_kwargs(network_mode="host")
        self.with_command(f"-host 0.0.0.0 -port {self.control}")


class DoubleDoorKafka(KafkaContainer):
    """A second door, advertised under the proxy's port."""

    def __init__(self, named: int) -> None:
        self._named = named
        super().__init__()
        self.second = self.on_host(SECOND_DOOR)

    def _settings(self) -> dict[str, str]:
        return dict(with_second_door(super()._settings(), f":{SECOND_DOOR}", f"{self.host}:{self._named}"))


class ToxicLink:
    """One proxy of a Toxiproxy, as a `Link`."""

    def __init__(self, control: str, name: str, *, port: int, target: int) -> None:
        self.port = port
        self._control, self._name = control, name
        self._ask("POST", "/proxies", {"name": name, "listen": f"0.0.0.0:{port}", "upstream": f"{LOOPBACK}:{target}", "enabled": True})

    def cut(self) -> None:
        self._enabled(False)

    def reset(self) -> None:
        self._enabled(False)
        self._enabled(True)

    def blackhole(self) -> None:
        for direction in Direction:
            self.swallow(direction)

    def swallow(self, direction: Direction) -> None:
        self._toxic({**HOLE, "stream": STREAMS[direction]})

    def forget(self) -> None:
        """Toxiproxy treats all connections of a proxy alike.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("Toxiproxy knows no half-open connections")

    def delay(self, seconds: float) -> None:
        for stream in STREAMS.values():
            self._toxic({"type": "latency", "stream": stream, "attributes": {"latency": int(seconds * 1000)}})

    def mend(self) -> None:
        self._enabled(True)
        for toxic in json.loads(self._ask("GET", f"/proxies/{self._name}/toxics")):
            self._ask("DELETE", f"/proxies/{self._name}/toxics/{toxic['name']}")

    def _toxic(self, toxic: Json) -> None:
        self._ask("POST", f"/proxies/{self._name}/toxics", toxic)

    def _enabled(self, enabled: bool) -> None:  # noqa: FBT001 - a state, not a choice of behaviour
        self._ask("POST", f"/proxies/{self._name}", {"enabled": enabled})

    def _ask(self, method: str, path: str, body: Json | None = None) -> bytes:
        request = Request(  # noqa: S310 - a container of our own
            f"{self._control}{path}",
            method=HTTPMethod(method),
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - same
            content: bytes = answer.read()
            return content


class ContainedServer:
    """A container as a server that can be killed and begun again."""

    def __init__(self, name: str, container: EngineContainer, ready: Callable[[], bool]) -> None:
        self.name = name
        self._container = container
        self._ready = ready

    def begin(self, progress: Progress) -> None:  # noqa: ARG002 - the image is there
        self._container.get_wrapped_container().start()

    def ready(self) -> bool:
        return self._ready()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def stop(self) -> bool:
        """Its context removes it."""
        return True


@contextmanager
def _network(targets: Mapping[str, tuple[int, int]]) -> Iterator[dict[str, ToxicLink]]:
    """A link for each name: (port to connect to, port of the target)."""
    with ToxiproxyContainer() as toxiproxy:
        toxiproxy.wait_ready(lambda: listening(toxiproxy.control, toxiproxy.host))
        control = f"http://{toxiproxy.host}:{toxiproxy.control}"
        yield {name: ToxicLink(control, name, port=port, target=target) for name, (port, target) in targets.items()}


@asynccontextmanager
async def contained_arena() -> AsyncIterator[Arena]:
    """Kafka, PostgreSQL and Toxiproxy as containers; the services are processes, as everywhere."""
    named = free_port()
    with ExitStack() as opened:
        home = opened.enter_context(new_home())
        kafka = opened.enter_context(DoubleDoorKafka(named))
        postgres = opened.enter_context(PostgresContainer())
        access = PostgresAccess(postgres.host, postgres.port, postgres.password)
        kafka.wait_ready(lambda: answers(kafka.servers))
        postgres.wait_ready(lambda: accepts(access))
        links = opened.enter_context(_network({"kafka": (named, kafka.second), "postgres": (free_port(), postgres.port)}))
        async with ChaosMail(home / "mail") as mail:
            system = System(
                folder=home,
                kafka=ContainedServer("Kafka", kafka, lambda: answers(kafka.servers)),
                kafka_servers=kafka.servers,
                postgres=ContainedServer("PostgreSQL", postgres, lambda: accepts(access)),
                access=access,
                databases=create_databases(access),
                services={},
                mail=mail,
                to_kafka=links["kafka"],
                to_postgres=links["postgres"],
                admin=create_topics(kafka.servers),
            )
            system.services = {name: ServiceProcess(name, system.environment(name), home / "logs") for name in SERVICES}
            try:
                await system.start()
                with Ledger(home / "ledger.jsonl") as ledger:
                    yield Arena(system, ledger, Judge(ledger, system))
            finally:
                system.close()
