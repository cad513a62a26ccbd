"""What the command does with a state folder, without starting anything."""

import os
from pathlib import Path

import psutil
import pytest

from klaster_local.configuration import Configuration
from klaster_local.failures import CommandFailed
from klaster_local.stack import Stack, kept_bytecode, process_of


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(Configuration.load({"KLASTER_STATE_DIR": str(tmp_path / "state"), "KLASTER_CHECKOUT": str(tmp_path)}))


def test_a_process_is_known_by_its_number_and_its_birth() -> None:
    ours = psutil.Process()
    assert process_of(ours.pid, ours.create_time()) == ours


def test_a_number_that_was_given_to_somebody_else_is_nobody_of_ours() -> None:
    assert process_of(os.getpid(), psutil.Process().create_time() - 3600) is None


def test_what_was_never_started_has_no_process() -> None:
    assert process_of(None, None) is None


def test_stopping_what_does_not_run_does_nothing(stack: Stack) -> None:
    assert stack.stop() is False


def test_nothing_can_be_restarted_where_nothing_runs(stack: Stack) -> None:
    with pytest.raises(CommandFailed, match="klaster up"):
        stack.restart("budget")


def test_wiping_leaves_what_is_not_the_stacks(stack: Stack, tmp_path: Path) -> None:
    state = tmp_path / "state"
    for folder in ("kafka", "mail", "tools"):
        (state / folder).mkdir(parents=True)
    (state / "passwords.json").touch()
    stack.wipe()
    assert sorted(path.name for path in state.iterdir()) == ["tools"]


def test_compiled_modules_are_kept_elsewhere_only_where_they_may_not_lie_beside_the_sources() -> None:
    assert kept_bytecode({}) == {}
    kept = kept_bytecode({"PYTHONDONTWRITEBYTECODE": "1"})
    assert kept["PYTHONDONTWRITEBYTECODE"] == ""
    assert Path(kept["PYTHONPYCACHEPREFIX"]).name == "bytecode"
