"""The service process as an operator meets it: started, told to stop, and started wrongly."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from klaster_shared.testing.waiting import wait_until

pytestmark = pytest.mark.engines

APP = """
from typing import Any
from klaster_shared.clock import SystemClock
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.observability.metrics import Metrics, new_registry
from klaster_shared.web import app

app.version = lambda _: "0"  # this package is no distribution

class Part:
    started = False
    async def start(self) -> None:
        self.started = True
    async def stop(self) -> None:
        self.started = False
    def report(self) -> dict[str, Any]:
        return {"component": "part", "ok": self.started}

def create_app(settings):
    database = Database(settings.database_url.get_secret_value(), name="example")
    transactions = Transactions(database, UnitOfWork, clock=SystemClock(), wake=lambda: None)
    return app.create_app(
        settings=settings, package="example", title="Example", description="", database=database, transactions=transactions,
        metrics=Metrics(new_registry()), routers=[], components=[Part()],
    )
"""
MAIN = """
from typing import ClassVar
from pydantic_settings import SettingsConfigDict
from klaster_shared.command_line import Service, command_line
from klaster_shared.settings import ServiceSettings

class ExampleSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="EXAMPLE_")
    service: ClassVar[str] = "partners"
    http_port: int = 0

command_line(Service(package="example", settings=ExampleSettings))()
"""
ENV = """
from alembic import context
from klaster_shared.db.metadata import new_metadata
from klaster_shared.db.migrating import run_migrations

run_migrations(context, new_metadata())
"""
REVISION = """
from alembic import op

revision, down_revision = "0001", None

def upgrade() -> None:
    op.execute("CREATE TABLE thing (name TEXT)")
"""


class Running:
    """A service process; its log lines are read from the file they go to."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    def get(self, path: str) -> httpx.Response:
        (serving,) = wait_until(lambda: self.said("serving"), within=30, what="the service to listen")
        return httpx.get(f"{serving['url']}{path}", timeout=5)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


type Start = Callable[..., Running]
type Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    versions = folder / "example" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "example" / "__init__.py").touch()
    (folder / "example" / "__main__.py").write_text(MAIN)
    (folder / "example" / "app.py").write_text(APP)
    (versions.parent / "__init__.py").touch()
    (versions.parent / "env.py").write_text(ENV)
    (versions / "2026_11_23_0001_create.py").write_text(REVISION)
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    def finished(command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "example", command], env=_environment(folder, variables), capture_output=True, text=True, timeout=60, check=False
        )

    return finished


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[bytes]] = []

    def started(**variables: str) -> Running:
        log = tmp_path / "log"
        with log.open("wb") as stream:
            processes.append(subprocess.Popen([sys.executable, "-m", "example", "serve"], env=_environment(folder, variables), stdout=stream))
        return Running(processes[-1], log)

    yield started
    for process in processes:
        process.kill()
        process.wait()


def _environment(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("EXAMPLE_")} | {"PYTHONPATH": str(folder)} | variables


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


NOBODY = "postgresql://nobody:hunter2@127.0.0.1:1/nowhere"


def test_a_service_serves_until_it_is_told_to_stop(start: Start, run: Run, url: str) -> None:
    assert run("migrate", EXAMPLE_DATABASE_URL=url).returncode == 0
    service = start(EXAMPLE_DATABASE_URL=url)
    wait_until(lambda: service.said("ready"), within=30, what="the component to start")
    assert service.get("/readyz").json() == {
        "status": "ready",
        "reason": "the database answers and is migrated",
        "components": [{"component": "part", "ok": True}],
    }
    assert service.stop() == 0
    assert [line["event"] for line in service.lines()] == ["serving", "ready", "stopped"]


def test_while_migrations_are_pending_a_service_waits_and_then_goes_on(start: Start, run: Run, url: str) -> None:
    service = start(EXAMPLE_DATABASE_URL=url)
    wait_until(lambda: service.said("waiting"), within=30, what="the service to say that it waits")
    answer = service.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "migrations-pending")
    assert "run `example migrate`" in answer.json()["reason"]
    assert run("migrate", EXAMPLE_DATABASE_URL=url).returncode == 0
    wait_until(lambda: service.said("ready"), within=30, what="the service to go on")
    assert (len(service.said("waiting")), service.stop()) == (1, 0)


def test_while_its_database_is_away_a_service_lives_and_waits(start: Start) -> None:
    service = start(EXAMPLE_DATABASE_URL=NOBODY)
    (line,) = wait_until(lambda: service.said("waiting"), within=30, what="the service to say that it waits")
    assert (line["state"], service.get("/livez").status_code, service.get("/readyz").status_code) == ("database-away", 200, 503)
    assert service.stop() == 0
    assert "hunter2" not in json.dumps(service.lines())


def only_line(done: "subprocess.CompletedProcess[str]") -> str:
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_wrong_password_is_one_line_and_exit_code_1(run: Run, url: str, command: str) -> None:
    role, _, rest = url.partition("@")
    done = run(command, EXAMPLE_DATABASE_URL=f"{role.rpartition(':')[0]}:hunter2@{rest}")
    assert (done.returncode, only_line(done)) == (1, "example: the database refuses the user or the password: check the service's DATABASE_URL")
    assert "hunter2" not in done.stdout


def test_a_port_that_is_taken_is_one_line_and_exit_code_1(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", EXAMPLE_DATABASE_URL=NOBODY, EXAMPLE_HTTP_PORT=str(port))
    assert (done.returncode, only_line(done)) == (1, f"example: port {port} on 127.0.0.1 is taken: stop what listens there, or set another port")


def test_a_foreign_address_is_one_line_and_exit_code_1(run: Run) -> None:
    done = run("serve", EXAMPLE_DATABASE_URL=NOBODY, EXAMPLE_HTTP_HOST="192.0.2.1")
    assert done.returncode == 1
    assert only_line(done).startswith("example: cannot listen on 192.0.2.1:0: ")


@pytest.mark.parametrize("command", ["serve", "migrate", "check-config"])
def test_a_missing_variable_is_one_line_and_exit_code_2(run: Run, command: str) -> None:
    done = run(command)
    assert done.returncode == 2
    assert only_line(done).startswith("example: EXAMPLE_DATABASE_URL is not set: ")


def test_migrating_a_database_that_is_away_is_one_line_and_exit_code_1(run: Run) -> None:
    done = run("migrate", EXAMPLE_DATABASE_URL=NOBODY)
    assert done.returncode == 1
    assert only_line(done).startswith("example: the database does not answer")


def test_migrating_says_from_where_to_where(run: Run, url: str) -> None:
    assert run("migrate", EXAMPLE_DATABASE_URL=url).stdout.splitlines()[-1] == "example: migrated from nothing to 0001"
    assert run("migrate", EXAMPLE_DATABASE_URL=url).stdout.splitlines()[-1] == "example: already at 0001"


def test_a_service_describes_itself_without_settings(run: Run) -> None:
    done = run("describe")
    assert done.returncode == 0
    assert json.loads(done.stdout)["info"]["title"] == "Example"


def test_the_configuration_is_shown_without_secrets(run: Run) -> None:
    done = run("check-config", EXAMPLE_DATABASE_URL=NOBODY)
    assert done.returncode == 0
    assert "EXAMPLE_DATABASE_URL=postgresql+asyncpg://***@127.0.0.1:1/nowhere" in done.stdout
