"""Real processes, small ones: what a child may rely on and what its parent may."""

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from klaster_shared.embedded.errors import EngineError, ExitedEarly, NotReady
from klaster_shared.embedded.supervision import LOG_LIMIT, Child, Program
from klaster_shared.testing.waiting import wait_until

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause(); signal.pause()"
POLITE = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up', flush=True); signal.pause()"


def program(script: str, directory: Path, **changes: object) -> Program:
    settings = {"name": "The child", "command": (sys.executable, "-c", script), "log": directory / "logs" / "child.log", **changes}
    return Program(**settings)  # type: ignore[arg-type]  # a test's shorthand


def says_up(child: Child) -> bool:
    return "up" in child.log_tail()


@pytest.fixture
def ready_child(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Child]:
    child = Child(program(getattr(request, "param", POLITE), tmp_path, grace=0.2))
    child.start()
    child.wait_ready(lambda: says_up(child), within=40)
    yield child
    child.kill()


def test_a_ready_child_runs(ready_child: Child) -> None:
    assert ready_child.running


def test_a_child_that_ends_as_asked_has_stopped_properly(ready_child: Child) -> None:
    assert ready_child.stop() is True


@pytest.mark.parametrize("ready_child", [DEAF], indirect=True)
def test_a_child_that_ignores_its_signal_is_killed_after_its_grace(ready_child: Child) -> None:
    assert ready_child.stop() is False
    assert not ready_child.running


def test_stopping_twice_is_harmless(ready_child: Child) -> None:
    ready_child.stop()
    assert ready_child.stop() is True


@pytest.mark.parametrize("ready_child", [SLEEPER], indirect=True)
def test_an_end_by_the_bare_signal_is_not_a_proper_one(ready_child: Child) -> None:
    assert ready_child.stop() is False
    assert ready_child.poll() == -signal.SIGTERM


def test_a_child_that_ended_can_be_started_again(ready_child: Child) -> None:
    first = ready_child.pid
    ready_child.kill()
    ready_child.start()
    assert ready_child.running
    assert ready_child.pid != first


def test_a_running_child_is_not_started_twice(ready_child: Child) -> None:
    with pytest.raises(EngineError, match="runs already"):
        ready_child.start()


def test_an_early_end_is_noticed_at_once_and_shows_the_childs_words(tmp_path: Path) -> None:
    child = Child(program("raise SystemExit('no configuration')", tmp_path))
    child.start()
    with pytest.raises(ExitedEarly, match="no configuration"):
        child.wait_ready(lambda: False, within=30)


def test_an_early_end_shows_nothing_of_earlier_starts(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "child.log").write_text("an old sorrow\n")
    child = Child(program("raise SystemExit('a new one')", tmp_path))
    with pytest.raises(ExitedEarly) as end:
        child.run(within=30)
    assert end.value.details == "a new one"


def test_a_child_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    child = Child(program(SLEEPER, tmp_path))
    child.start()
    with pytest.raises(NotReady):
        child.wait_ready(lambda: False, within=0.1)
    assert not child.running


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    child = Child(program("", tmp_path, command=("/no/such/program",)))
    with pytest.raises(ExitedEarly, match="/no/such/program: No such file"):
        child.run(within=30)


def test_a_child_run_to_its_end_needs_no_stop(tmp_path: Path) -> None:
    child = Child(program("print('done')", tmp_path))
    child.run(within=30)
    assert child.poll() == 0


def test_a_grown_log_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (LOG_LIMIT + 1))
    Child(program("print('new')", tmp_path)).run(within=30)
    assert log.read_text() == "new\n"
    assert log.with_name("child.log.1").stat().st_size == LOG_LIMIT + 1


def test_a_child_gets_the_parents_environment_and_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_PARENT", "kept")
    child = Child(program("import os; print(os.environ['FROM_PARENT'], os.environ['OWN'])", tmp_path, environment={"OWN": "added"}))
    child.run(within=30)
    assert child.log_tail() == "kept added"


def test_a_child_is_not_started_from_a_thread_that_would_take_it_along(tmp_path: Path) -> None:
    child = Child(program(SLEEPER, tmp_path))
    outcome: list[str] = []

    def start() -> None:
        try:
            child.start()
        except EngineError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert outcome == ["The child must be started from the main thread."]


@pytest.mark.parametrize("kernel_ties", [pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="a feature of Linux")), False])
def test_a_killed_child_takes_its_group_along(tmp_path: Path, *, kernel_ties: bool) -> None:
    script = (
        "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print(c.pid, flush=True); c.wait()"
    )
    child = Child(program(script, tmp_path), kernel_ties=kernel_ties)
    child.start()
    grandchild = int(wait_until(child.log_tail))
    child.kill()
    wait_until(lambda: not _lives(grandchild), what="the end of the grandchild")


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
