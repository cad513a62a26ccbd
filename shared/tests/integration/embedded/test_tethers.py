"""No child outlives its parent: parents are real processes here, ended with SIGKILL."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from klaster_shared.embedded import tether
from klaster_shared.embedded.kafka import KafkaServer
from klaster_shared.embedded.ports import free_port
from klaster_shared.embedded.postgres import PostgresServer
from klaster_shared.embedded.supervision import Child, Program
from klaster_shared.testing.waiting import wait_until

CHILD = """
import signal, sys
from pathlib import Path
from klaster_shared.embedded.supervision import Child, Program

child = Child(Program(name="child", command=(sys.executable, "-c", "import signal; signal.pause()"), log=Path({log!r})), kernel_ties={kernel_ties})
child.start()
print(child.pid, flush=True)
signal.pause()
"""
ENGINE = """
import signal
from pathlib import Path
from klaster_shared.embedded.{module} import {engine}

engine = {engine}(Path({state!r}), {port})
engine.start()
print(engine.pid, flush=True)
signal.pause()
"""
type Parent = tuple[subprocess.Popen[str], int]


@pytest.fixture
def parent_of() -> Iterator[Callable[[str], Parent]]:
    """Runs a script that starts a child and prints its number; returns the script's process and that number."""
    parents: list[subprocess.Popen[str]] = []

    def run(script: str) -> Parent:
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        parents.append(parent)
        assert parent.stdout is not None
        return parent, int(parent.stdout.readline())

    yield run
    for parent in parents:
        parent.kill()
        parent.communicate()


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


BY_KERNEL = pytest.param(True, id="tied by the kernel", marks=pytest.mark.skipif(sys.platform != "linux", reason="a feature of Linux"))
BY_WATCHER = pytest.param(False, id="tied by a watcher")


@pytest.mark.parametrize("kernel_ties", [BY_KERNEL, BY_WATCHER])
def test_no_child_outlives_a_killed_parent(parent_of: Callable[[str], Parent], tmp_path: Path, *, kernel_ties: bool) -> None:
    parent, child = parent_of(CHILD.format(log=str(tmp_path / "log"), kernel_ties=kernel_ties))
    parent.kill()
    wait_until(lambda: not lives(child), what="the end of the child")


@pytest.mark.parametrize("kernel_ties", [BY_KERNEL, BY_WATCHER])
def test_a_child_lives_as_long_as_its_parent(parent_of: Callable[[str], Parent], tmp_path: Path, *, kernel_ties: bool) -> None:
    parent, child = parent_of(CHILD.format(log=str(tmp_path / "log"), kernel_ties=kernel_ties))
    assert lives(parent.pid)
    assert lives(child)


def test_no_watcher_outlives_its_child(tmp_path: Path) -> None:
    child = Child(Program(name="child", command=(sys.executable, "-c", "print('done')"), log=tmp_path / "log"), kernel_ties=False)
    before = psutil.pids()
    child.run(within=30)
    wait_until(lambda: not [pid for pid in set(psutil.pids()) - set(before) if is_watcher(pid)], what="the end of the watcher")


def is_watcher(pid: int) -> bool:
    try:
        return tether.__file__ in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return False


@pytest.mark.embedded
@pytest.mark.parametrize(("module", "engine"), [("postgres", PostgresServer), ("kafka", KafkaServer)])
def test_an_engine_ends_with_its_killed_parent_and_can_be_started_again(
    parent_of: Callable[[str], Parent], engine_directory: Path, module: str, engine: type[PostgresServer] | type[KafkaServer]
) -> None:
    port = free_port()
    parent, child = parent_of(ENGINE.format(module=module, engine=engine.__name__, state=str(engine_directory), port=port))
    os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not lives(child), what="the end of the engine")
    with engine(engine_directory, port) as again:
        assert again.ready()
    again.wipe()
