"""The pytest plugin every suite of Klaster loads: sockets for those who need them, engines for those who ask.

The one rule: **a test reaches the network only by saying so** (`engines`, `containers`, `embedded`); all others run with sockets blocked.
Engine suites run on embedded engines, or on containers with `--engines=containers`; the fixtures are the same.
"""

import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from klaster_shared.testing.hosting import SharedEngines
from klaster_shared.testing.mail import MailFiles, Mailpit, MailSink

if TYPE_CHECKING:  # clients and engines are imported by the fixtures that use them: every run loads this plugin, most are of unit tests
    from confluent_kafka.admin import AdminClient

    from klaster_shared.embedded.postgres import PostgresAccess

KINDS = ("embedded", "containers")
NETWORKED = ("engines", "containers", "embedded")
ENGINES = pytest.StashKey[SharedEngines]()
LONGEST_DATABASE_NAME = 63


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("klaster").addoption(
        "--engines",
        choices=KINDS,
        default=os.environ.get("KLASTER_ENGINES", "embedded"),
        help="what the engine suites run on (default: KLASTER_ENGINES, else embedded)",
    )
    simulation = parser.getgroup("klaster simulation")
    simulation.addoption("--simulation-seed", type=int, help="run this seed alone, and show its schedule when it breaks a promise")
    simulation.addoption("--simulation-seeds", type=int, default=2000, help="how many seeds to run (default: 2000)")
    simulation.addoption("--simulation-first", type=int, default=0, help="the first of them (default: 0)")


@pytest.hookimpl(tryfirst=True)  # before pytest-socket reads its options
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "embedded: exercises the embedded engines themselves, so it is left out of the container tier")
    config.option.allow_unix_socket = True  # asyncio's own, and Docker's
    given = getattr(config, "workerinput", None)
    directory = Path(given["klaster_run"]) if given else SharedEngines.directory_of_new_run()
    owner = given["klaster_owner"] if given else os.getpid()
    config.stash[ENGINES] = SharedEngines(directory, owner, config.getoption("--engines"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist: workers share the engines of their controller."""
    node.workerinput["klaster_run"] = str(node.config.stash[ENGINES].directory)
    node.workerinput["klaster_owner"] = os.getpid()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and ENGINES in config.stash:
        config.stash[ENGINES].stop()


def pytest_report_header(config: pytest.Config) -> str:
    return f"engines: {config.stash[ENGINES].kind}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not any(item.get_closest_marker(name) for name in NETWORKED):
            item.add_marker(pytest.mark.disable_socket)
    if config.stash[ENGINES].kind == "containers":
        left_out = [item for item in items if item.get_closest_marker("embedded")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    contained = item.config.stash[ENGINES].kind == "containers" and item.get_closest_marker("engines")
    if not (contained or item.get_closest_marker("containers")):
        return
    reason = _docker_missing()
    if reason is None:
        return
    if os.environ.get("KLASTER_REQUIRE_DOCKER") == "1":
        pytest.fail(f"KLASTER_REQUIRE_DOCKER=1, but {reason}", pytrace=False)
    pytest.skip(f"needs Docker: {reason}")


@cache
def _docker_missing() -> str | None:
    from klaster_shared.testing.containers import docker_missing

    return docker_missing()


@pytest.fixture(scope="session")
def unique_name() -> Callable[[str], str]:
    """Makes names nobody else in the run uses: `unique_name("orders")` → `orders-3f9a0c1d`. For topics, groups, transactional ids, addresses."""
    return lambda stem: f"{stem}-{secrets.token_hex(4)}"


@pytest.fixture
def engine_directory() -> Iterator[Path]:
    """An empty folder for a test's own engine. `tmp_path` would not do: PostgreSQL's account could not reach it when the suite runs as root."""
    with tempfile.TemporaryDirectory(prefix="klaster-engine-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> "PostgresAccess":
    """The run's PostgreSQL, as its superuser. Most tests want `database_url` instead."""
    from klaster_shared.embedded.postgres import PostgresAccess

    endpoint = request.config.stash[ENGINES].endpoint("postgres")
    return PostgresAccess(str(endpoint["host"]), int(endpoint["port"]), str(endpoint["password"]))


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers of the run's Kafka. Topics are created by whoever needs them, under a `unique_name`."""
    return str(request.config.stash[ENGINES].endpoint("kafka")["servers"])


@pytest.fixture(scope="session")
def kafka_admin(kafka_servers: str) -> "AdminClient":
    """Administration of the run's Kafka, kept for the run: a client that goes out of scope takes its pending answers with it."""
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": kafka_servers})


@pytest.fixture(scope="session")
def new_topic(kafka_admin: "AdminClient", unique_name: Callable[[str], str]) -> Callable[..., str]:
    """Creates a topic under a unique name: `new_topic("orders", partitions=3, config={"max.message.bytes": "1000"})` → its name."""
    from confluent_kafka.admin import NewTopic

    def create(stem: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        name = unique_name(stem)
        kafka_admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])[name].result(30)
        return name

    return create


@pytest.fixture(scope="session")
def declared_topics(kafka_admin: "AdminClient") -> None:
    """Every topic of the wire contract, under its real name; shared by all suites of the run, so keys must be a test's own."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import NewTopic

    from klaster_shared.contracts.topics import TOPICS

    for topic, future in kafka_admin.create_topics([NewTopic(topic.name, topic.partitions, 1) for topic in TOPICS.values()]).items():
        try:
            future.result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise RuntimeError(f"topic {topic} could not be created") from error


@pytest.fixture(scope="session")
def mail_sink(request: pytest.FixtureRequest) -> MailSink:
    """The run's mail sink: `host`, `port`, `messages(to=…)`."""
    endpoint = request.config.stash[ENGINES].endpoint("mail")
    host, port = str(endpoint["host"]), int(endpoint["port"])
    return Mailpit(host, port, int(endpoint["api"])) if "api" in endpoint else MailFiles(host, port, Path(str(endpoint["directory"])))


@pytest.fixture(scope="module")
def new_database(request: pytest.FixtureRequest, postgres_server: "PostgresAccess") -> Iterator[Callable[[], str]]:
    """Creates empty databases, each with a role of its own, and drops them after the module. Returns `postgresql+asyncpg://…`."""
    from klaster_shared.embedded.postgres import DatabaseSpec

    created: list[DatabaseSpec] = []
    stem = re.sub(r"\W+", "_", request.module.__name__.rpartition(".")[2])

    def create() -> str:
        name = f"{stem[: LONGEST_DATABASE_NAME - 9]}_{secrets.token_hex(4)}"
        spec = DatabaseSpec(database=name, role=name, password=secrets.token_urlsafe(12))
        postgres_server.create_database(spec)
        created.append(spec)
        return postgres_server.url(spec)

    yield create
    for spec in created:
        postgres_server.drop_database(spec)


@pytest.fixture(scope="module")
def database_url(new_database: Callable[[], str]) -> str:
    """An empty database of this test module, as `postgresql+asyncpg://…`."""
    return new_database()
