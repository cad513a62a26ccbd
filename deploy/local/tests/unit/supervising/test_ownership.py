import subprocess
import sys
from pathlib import Path

import pytest

from klaster_local.supervising.ownership import LOCK_FILE, PID_FILE, AlreadyOwned, Ownership, is_owned, owner


def test_nobody_owns_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert not is_owned(tmp_path / "nothing")
    assert owner(tmp_path / "nothing") is None


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    with Ownership(tmp_path):
        assert is_owned(tmp_path)
        with pytest.raises(AlreadyOwned), Ownership(tmp_path):
            pass


def test_an_owner_that_has_left_leaves_no_pid(tmp_path: Path) -> None:
    with Ownership(tmp_path):
        assert (tmp_path / PID_FILE).exists()
    assert not is_owned(tmp_path)
    assert not (tmp_path / PID_FILE).exists()


def test_looking_does_not_take_the_folder_from_anybody(tmp_path: Path) -> None:
    with Ownership(tmp_path):
        pass
    assert not is_owned(tmp_path)
    with Ownership(tmp_path):
        assert is_owned(tmp_path)


def test_a_killed_owner_owns_nothing_though_its_pid_file_is_left(tmp_path: Path) -> None:
    hold = (
        "import sys\nfrom pathlib import Path\nfrom klaster_local.supervising.ownership import Ownership\n"
        f"with Ownership(Path({str(tmp_path)!r})):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert is_owned(tmp_path)
        process.kill()
        process.wait()
        assert (tmp_path / PID_FILE).exists()
        assert not is_owned(tmp_path)


def test_a_pid_that_belongs_to_a_stranger_is_not_believed(tmp_path: Path) -> None:
    with Ownership(tmp_path):  # this process is pytest, and no supervisor by its command line
        assert owner(tmp_path) is None
        assert (tmp_path / LOCK_FILE).exists()
