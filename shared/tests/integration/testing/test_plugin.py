"""The plugin as its users meet it: runs of pytest on small suites, in processes of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

from klaster_shared.testing.containers import PROCESS_LABEL
from klaster_shared.testing.waiting import wait_until

Run = Callable[..., subprocess.CompletedProcess[str]]
NO_DOCKER = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}

OPENS_A_SOCKET = """
import socket

def test_network():
    socket.socket().close()
"""
ASKS_FOR_POSTGRES = """
import pytest

pytestmark = pytest.mark.engines

def test_first(postgres_server):
    print("PORT", postgres_server.port)

def test_second(postgres_server):
    print("PORT", postgres_server.port)
"""
STAYS = """
import os, pytest, time
from pathlib import Path

@pytest.mark.engines
def test_long(postgres_server, mail_sink):
    Path("ready").write_text("yes")
    time.sleep(600)
"""
ENGINES_AND_EMBEDDED = """
import pytest

@pytest.mark.embedded
def test_of_embedded_engines_themselves():
    pass

def test_other():
    pass
"""


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def make(suite: str, *options: str, **environment: str) -> dict[str, Any]:
        (tmp_path / "test_suite.py").write_text(suite)
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    engines: engines\n    containers: containers\n")
        plugins = (
            "-p",
            "klaster_shared.testing.plugin",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:schemathesis",
            "-p",
            "no:hypothesispytest",
        )
        return {
            "args": [sys.executable, "-m", "pytest", *plugins, "-rs", "-s", *options],
            "cwd": tmp_path,
            "env": {**{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KLASTER_"))}, **environment},
        }

    return make


@pytest.fixture
def run(command: Callable[..., dict[str, Any]]) -> Run:
    def execute(suite: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(**command(suite, *options, **environment), capture_output=True, text=True, check=False, timeout=100)

    return execute


def hosts_of(owner: int) -> list[int]:
    """The engine hosts that watch a process."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if "klaster_shared.testing.hosting" in words and words[-1] == str(owner) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def test_a_test_that_says_nothing_cannot_open_a_socket(run: Run) -> None:
    outcome = run(OPENS_A_SOCKET)
    assert "SocketBlockedError" in outcome.stdout
    assert "1 failed" in outcome.stdout


@pytest.mark.parametrize("marker", ["engines", "embedded"])
def test_a_test_that_says_so_can_open_a_socket(run: Run, marker: str) -> None:
    assert "1 passed" in run(f"import pytest\npytestmark = pytest.mark.{marker}\n{OPENS_A_SOCKET}").stdout


def test_asynchronous_tests_run_with_sockets_blocked(run: Run) -> None:
    assert "1 passed" in run("async def test_quiet():\n    pass\n", "-o", "asyncio_mode=auto").stdout


def test_without_docker_the_container_tier_is_skipped_with_its_reason(run: Run) -> None:
    outcome = run(ASKS_FOR_POSTGRES, "--engines=containers", **NO_DOCKER)
    assert "2 skipped" in outcome.stdout
    assert "needs Docker: no Docker engine answers" in outcome.stdout


def test_where_docker_is_required_its_absence_is_a_failure(run: Run) -> None:
    outcome = run(ASKS_FOR_POSTGRES, "--engines=containers", KLASTER_REQUIRE_DOCKER="1", **NO_DOCKER)
    assert "KLASTER_REQUIRE_DOCKER=1, but no Docker engine answers" in outcome.stdout
    assert outcome.returncode == 1


def test_a_containers_test_needs_docker_whatever_the_engines_are(run: Run) -> None:
    assert "1 skipped" in run("import pytest\n@pytest.mark.containers\ndef test_it(): pass\n", **NO_DOCKER).stdout


def test_the_embedded_engines_own_tests_are_left_out_of_the_container_tier(run: Run) -> None:
    assert "1 passed, 1 deselected" in run(ENGINES_AND_EMBEDDED, KLASTER_ENGINES="containers").stdout


@pytest.mark.embedded
def test_all_tests_and_workers_of_a_run_share_one_engine(run: Run) -> None:
    outcome = run(ASKS_FOR_POSTGRES.replace("print(", "import sys; print(").replace("port)", "port, file=sys.stderr)"), "-n", "2")
    assert "2 passed" in outcome.stdout
    assert len(set(re.findall(r"PORT (\d+)", outcome.stderr))) == 1


@pytest.mark.embedded
def test_no_engine_outlives_a_run_that_ended_well(run: Run, engine_directory: Path) -> None:
    outcome = run(ASKS_FOR_POSTGRES, TMPDIR=str(engine_directory))
    (port, *_) = re.findall(r"PORT (\d+)", outcome.stdout)
    assert not [process for process in psutil.process_iter(["cmdline"]) if f"port={port}" in (process.info["cmdline"] or [])]
    assert list(engine_directory.iterdir()) == []


@pytest.mark.embedded
def test_no_engine_outlives_a_killed_run(command: Callable[..., dict[str, Any]], tmp_path: Path, engine_directory: Path) -> None:
    with subprocess.Popen(**command(STAYS, TMPDIR=str(engine_directory)), stdout=subprocess.DEVNULL) as pytest_run:
        wait_until((tmp_path / "ready").exists, within=60)
        hosts = hosts_of(pytest_run.pid)
        pytest_run.kill()
    assert len(hosts) == 2
    wait_until(lambda: not hosts_of(pytest_run.pid), within=40, what="the end of the engine hosts")
    assert list(engine_directory.iterdir()) == []


@pytest.mark.embedded
def test_an_engine_that_does_not_start_tells_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    outcome = run("import pytest\n@pytest.mark.engines\ndef test_it(kafka_servers): pass\n", KLASTER_CACHE_DIR=str(tmp_path / "cache"))
    assert "The test engine kafka did not start:" in outcome.stdout
    assert "Not a directory" in outcome.stdout or "File exists" in outcome.stdout


@pytest.mark.containers
def test_no_container_outlives_a_run(run: Run) -> None:
    outcome = run(ASKS_FOR_POSTGRES, "--engines=containers")
    (port, *_) = re.findall(r"PORT (\d+)", outcome.stdout)
    assert containers(publish=port) == []


@pytest.mark.containers
def test_no_container_outlives_a_killed_run(command: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    with subprocess.Popen(**command(STAYS, "--engines=containers"), stdout=subprocess.DEVNULL) as pytest_run:
        wait_until((tmp_path / "ready").exists, within=90)
        hosts = hosts_of(pytest_run.pid)
        pytest_run.kill()
    wait_until(lambda: not hosts_of(pytest_run.pid), within=30, what="the end of the engine hosts")
    assert containers_of(hosts) == []


@pytest.mark.containers
def test_a_container_whose_host_was_killed_is_removed_all_the_same(
    command: Callable[..., dict[str, Any]], run: Run, tmp_path: Path, engine_directory: Path
) -> None:
    with subprocess.Popen(**command(STAYS, "--engines=containers", TMPDIR=str(engine_directory)), stdout=subprocess.DEVNULL) as pytest_run:
        wait_until((tmp_path / "ready").exists, within=90)
        hosts = hosts_of(pytest_run.pid)
        for host in hosts:
            psutil.Process(host).kill()
        pytest_run.kill()
    assert containers_of(hosts) != []
    run(ASKS_FOR_POSTGRES, "--engines=containers")
    wait_until(lambda: not containers_of(hosts), within=90)


def containers(**filters: Any) -> list[str | None]:
    with closing(docker.from_env()) as engine:
        return [container.id for container in engine.containers.list(all=True, filters=filters)]


def containers_of(hosts: list[int]) -> list[str | None]:
    return [container for host in hosts for container in containers(label=f"{PROCESS_LABEL}={host}")]
