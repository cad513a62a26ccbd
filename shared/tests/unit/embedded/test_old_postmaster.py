import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from klaster_shared.embedded.postgres import settle_old_postmaster
from klaster_shared.testing.waiting import wait_until


@pytest.fixture
def zombie() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", ""])
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    yield process.pid
    process.wait()


def left_by(pid: int, data: Path) -> Path:
    file = data / "postmaster.pid"
    file.write_text(f"{pid}\n{data}\n")
    return file


def test_a_number_that_is_now_another_programs_is_forgotten(tmp_path: Path) -> None:
    file = left_by(os.getpid(), tmp_path)
    settle_old_postmaster(tmp_path)
    assert not file.exists()


def test_a_number_of_an_unreaped_orphan_is_forgotten(tmp_path: Path, zombie: int) -> None:
    file = left_by(zombie, tmp_path)
    settle_old_postmaster(tmp_path)
    assert not file.exists()


def test_a_number_no_process_has_is_left_for_postgresql_to_judge(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    file = left_by(process.pid, tmp_path)
    settle_old_postmaster(tmp_path)
    assert file.exists()


def test_files_no_server_has_used_need_nothing(tmp_path: Path) -> None:
    settle_old_postmaster(tmp_path / "never")
