"""The service process as an operator meets it: started, told to stop, and started wrongly."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from klaster_shared.testing.waiting import wait_until

pytestmark = pytest.mark.engines

ENDING_SECONDS = 120.0
"""Generous: the machine may be busy with other suites."""

APP = """
import asyncio, os, time
from pathlib import Path
from typing import Any
from fastapi import APIRouter
from klaster_shared import runtime
from klaster_shared.clock import SystemClock
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.lifecycle import Role
from klaster_shared.observability.metrics import Metrics, new_registry
from klaster_shared.web import app, lifespan

app.version = lambda _: "0"  # this package is no distribution

if "EXAMPLE_STOP_SECONDS" in os.environ:  # so that no test has to wait for ten seconds, or to be done within them
    runtime.STOP_SECONDS = lifespan.WORK_SECONDS = float(os.environ["EXAMPLE_STOP_SECONDS"])

class Part:
    started = False
    role = Role.CONSUMERS
    async def start(self) -> None:
        self.started = True
    async def stop(self) -> None:
        if "EXAMPLE_HANGS" in os.environ:
            time.sleep(3600)  # not even the loop goes on
        self.started = False
    def report(self) -> dict[str, Any]:
        return {"component": "part", "ok": self.started}

router = APIRouter()

@router.get("/v1/slow")
async def slow() -> dict[str, str]:
    Path(os.environ["EXAMPLE_ASKED"]).touch()
    while not Path(os.environ["EXAMPLE_GO_ON"]).exists():
        await asyncio.sleep(0.01)
    return {"done": "it"}

def create_app(settings, roles=frozenset(Role)):
    database = Database(settings.database_url.get_secret_value(), name="example")
    transactions = Transactions(database, UnitOfWork, clock=SystemClock(), wake=lambda: None)
    return app.create_app(
        settings=settings, package="example", title="Example", description="", database=database, transactions=transactions,
        metrics=Metrics(new_registry()), routers=[router], components=[Part()], roles=roles,
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

    def get(self, path: str, within: float = ENDING_SECONDS) -> httpx.Response:
        (serving,) = wait_until(lambda: self.said("serving"), within=ENDING_SECONDS, what="the service to listen")
        return httpx.get(f"{serving['url']}{path}", timeout=within)

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        self.ask_to_stop()
        return self.process.wait(ENDING_SECONDS)


class SlowRequest:
    """In the hand of a service until it may go on."""

    def __init__(self, start: "Start", url: str, folder: Path) -> None:
        self._may_go_on = folder / "go-on"
        asked = folder / "asked"
        self.service = start(
            EXAMPLE_DATABASE_URL=url, EXAMPLE_ASKED=str(asked), EXAMPLE_GO_ON=str(self._may_go_on), EXAMPLE_STOP_SECONDS=str(ENDING_SECONDS)
        )
        self.service.get("/livez")
        self._pool = ThreadPoolExecutor(1)
        self.answer = self._pool.submit(self.service.get, "/v1/slow", ENDING_SECONDS)
        wait_until(asked.exists, within=ENDING_SECONDS, what="the request to be in hand")

    def go_on(self) -> None:
        self._may_go_on.touch()


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
    def finished(command: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "example", command, *arguments],
            env=_environment(folder, variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return finished


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[bytes]] = []

    def started(*arguments: str, **variables: str) -> Running:
        log = tmp_path / "log"
        with log.open("wb") as stream:
            processes.append(
                subprocess.Popen([sys.executable, "-m", "example", "serve", *arguments], env=_environment(folder, variables), stdout=stream)
            )
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
    wait_until(lambda: service.said("ready"), within=ENDING_SECONDS, what="the component to start")
    assert service.get("/readyz").json() == {
        "status": "ready",
        "reason": "the database answers and is migrated",
        "components": [{"component": "part", "ok": True}],
    }
    assert service.stop() == 0
    assert [line["event"] for line in service.lines()] == ["serving", "ready", "stopping", "stopped"]


def test_while_migrations_are_pending_a_service_waits_and_then_goes_on(start: Start, run: Run, url: str) -> None:
    service = start(EXAMPLE_DATABASE_URL=url)
    wait_until(lambda: service.said("waiting"), within=ENDING_SECONDS, what="the service to say that it waits")
    answer = service.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "migrations-pending")
    assert "run `example migrate`" in answer.json()["reason"]
    assert run("migrate", EXAMPLE_DATABASE_URL=url).returncode == 0
    wait_until(lambda: service.said("ready"), within=ENDING_SECONDS, what="the service to go on")
    assert (len(service.said("waiting")), service.stop()) == (1, 0)


def test_while_its_database_is_away_a_service_lives_and_waits(start: Start) -> None:
    service = start(EXAMPLE_DATABASE_URL=NOBODY)
    (line,) = wait_until(lambda: service.said("waiting"), within=ENDING_SECONDS, what="the service to say that it waits")
    assert (line["state"], service.get("/livez").status_code, service.get("/readyz").status_code) == ("database-away", 200, 503)
    assert service.stop() == 0
    assert "hunter2" not in json.dumps(service.lines())


def test_a_stop_finishes_what_is_in_hand_and_tells_new_requests_to_come_again(start: Start, tmp_path: Path) -> None:
    slow = SlowRequest(start, NOBODY, tmp_path)
    slow.service.ask_to_stop()
    wait_until(lambda: slow.service.said("stopping"), within=ENDING_SECONDS, what="the stop to begin")
    refused, livez, readyz = [slow.service.get(path) for path in ("/v1/slow", "/livez", "/readyz")]
    slow.go_on()
    assert (refused.status_code, refused.headers["Retry-After"], refused.headers["Connection"]) == (503, "1", "close")
    assert (livez.status_code, readyz.status_code, readyz.json()["status"]) == (200, 503, "stopping")
    done = slow.answer.result(ENDING_SECONDS)
    assert (done.json(), done.headers["Connection"]) == ({"done": "it"}, "close")
    assert slow.service.process.wait(ENDING_SECONDS) == 0


def test_connections_that_nobody_uses_do_not_hold_a_stop_up(start: Start) -> None:
    service = start(EXAMPLE_DATABASE_URL=NOBODY)
    service.get("/livez")
    with httpx.Client(base_url=service.said("serving")[0]["url"]) as idle:
        idle.get("/livez")
        assert service.stop() == 0
    assert "the stop took too long; what was in hand is given up" not in [line["event"] for line in service.lines()]


def test_a_second_signal_ends_a_service_at_once(start: Start, tmp_path: Path) -> None:
    slow = SlowRequest(start, NOBODY, tmp_path)
    slow.service.ask_to_stop()
    wait_until(lambda: slow.service.said("stopping"), within=ENDING_SECONDS, what="the stop to begin")
    slow.service.ask_to_stop()
    wait_until(lambda: slow.service.said("stopping at once; what is in hand is given up"), within=ENDING_SECONDS, what="the quick stop")
    assert slow.service.process.wait(ENDING_SECONDS) == 0


def test_a_stop_that_hangs_ends_nevertheless(start: Start, run: Run, url: str) -> None:
    assert run("migrate", EXAMPLE_DATABASE_URL=url).returncode == 0
    service = start(EXAMPLE_DATABASE_URL=url, EXAMPLE_HANGS="yes", EXAMPLE_STOP_SECONDS="1")
    wait_until(lambda: service.said("ready"), within=ENDING_SECONDS, what="the component to start")
    assert service.stop() == 1
    assert service.lines()[-1]["event"] == "the stop took too long; what was in hand is given up"


def test_a_process_for_consumers_alone_answers_operations_and_nobody_else(start: Start) -> None:
    service = start("--only", "consumers", "--only", "relay", EXAMPLE_DATABASE_URL=NOBODY)
    assert [service.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/v1/slow", "/docs")] == [200, 503, 200, 404, 404]
    assert service.stop() == 0


@pytest.mark.parametrize(
    ("role", "why"),
    [
        ("sender", "--only sender: example has no sender; choose from api, consumers, relay"),
        ("magic", "--only magic: there is no such role; choose from api, consumers, relay"),
    ],
)
def test_a_role_that_a_service_does_not_have_is_one_line_and_exit_code_2_whatever_is_configured(run: Run, role: str, why: str) -> None:
    done = run("serve", "--only", role)
    assert (done.returncode, only_line(done)) == (2, f"example: {why}")


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
