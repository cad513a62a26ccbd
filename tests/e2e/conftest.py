"""One stack for the run: own Kafka, own databases, four processes.

Its Kafka is not the one of the integration suites: consumer groups have fixed names, so two stacks on one broker would take each other's partitions.
"""

import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient

from klaster_local.endpoints import Endpoint
from klaster_local.settling import Look, settle
from klaster_local.topics import apply, declared, look, plan
from klaster_shared.embedded.postgres import DatabaseSpec, PostgresAccess
from klaster_shared.testing.accounting import AccountingSystem, open_books
from klaster_shared.testing.desk import Desk, open_desk
from klaster_shared.testing.mail import MailSink
from klaster_shared.testing.offers import OFFERS
from klaster_shared.testing.processes import SERVICES, Stack

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOG_LINES = 30
TEST_SECONDS = 400
SETTLE_SECONDS = 180.0
"""More than the lease of a claimed mail: a sender that was killed keeps its mails until then."""
LOGS = pytest.StashKey[Path]()

type Settled = Callable[[], Awaitable[Look]]


@pytest.fixture(scope="session")
def own_kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a Kafka with the declared topics and nothing in them."""
    offer = OFFERS[request.config.getoption("--engines")]["kafka"]
    with tempfile.TemporaryDirectory(prefix="klaster-e2e-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with offer(Path(folder)) as endpoint:
            servers = str(endpoint["servers"])
            admin = AdminClient({"bootstrap.servers": servers})
            topics = declared(ROOT / "deploy" / "kafka" / "topics.yaml")
            done = apply(plan(topics, look(admin), replication_factor=1), admin)
            assert (done.failures, len(done.created)) == ((), len(topics))
            yield servers


@pytest.fixture(scope="session")
def databases(postgres_server: PostgresAccess) -> Iterator[dict[str, str]]:
    """Service → URL of an empty database."""
    run = secrets.token_hex(4)
    specs = {service: DatabaseSpec(database=f"{service}_{run}", role=f"{service}_{run}", password=secrets.token_urlsafe(12)) for service in SERVICES}
    for spec in specs.values():
        postgres_server.create_database(spec)
    yield {service: postgres_server.url(spec) for service, spec in specs.items()}
    for spec in specs.values():
        postgres_server.drop_database(spec)


@pytest.fixture(scope="session")
def stack(
    request: pytest.FixtureRequest, own_kafka: str, databases: dict[str, str], mail_sink: MailSink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    logs = tmp_path_factory.mktemp("logs")
    request.config.stash[LOGS] = logs
    with Stack(databases=databases, kafka_servers=own_kafka, mail=mail_sink, logs=logs) as stack:
        yield stack


@pytest.fixture(scope="session")
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    async with open_desk(stack.addresses, Desk) as desk:
        yield desk


@pytest.fixture(scope="session")
async def settled(stack: Stack) -> AsyncIterator[Settled]:
    """Waits until every message on its way has had its effect."""
    async with AsyncExitStack() as opened:
        clients = {name: await opened.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10)) for name, url in stack.addresses.items()}
        services = {name: Endpoint(name, client) for name, client in clients.items()}
        yield partial(settle, services, stack.kafka_servers, show=lambda _: None, within=SETTLE_SECONDS)


@pytest.fixture(scope="session")
def accounting(stack: Stack) -> Iterator[AccountingSystem]:
    with open_books(stack.kafka_servers) as accounting:
        yield accounting


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a run also pays for the start of everything."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure is shown with the last lines that each service has logged."""
    report = yield
    logs = item.config.stash.get(LOGS, None)
    if report.failed and logs is not None:
        for log in sorted(logs.glob("*.log")):
            report.sections.append((f"last lines of {log}", "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])))
    return report
