from pathlib import Path

import pytest

from klaster_shared.embedded.accounts import place_for, reachable, readable_copy
from klaster_shared.embedded.supervision import Account

STRANGER = Account(user=54321, group=54321)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


def test_a_folder_behind_a_closed_one_is_out_of_reach(closed: Path) -> None:
    (closed / "open").mkdir(mode=0o755)
    assert not reachable(closed / "open", STRANGER)


def test_a_folder_that_lets_all_pass_is_in_reach() -> None:
    assert reachable(Path("/usr"), STRANGER)


def test_the_group_of_a_folder_counts_before_all_others(tmp_path: Path) -> None:
    owner = tmp_path.stat()
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o701)
    assert not reachable(folder, Account(user=STRANGER.user, group=owner.st_gid))


def test_without_another_account_files_stay_in_place(closed: Path) -> None:
    assert place_for(closed / "postgres", None) == closed / "postgres"


def test_files_in_reach_stay_in_place() -> None:
    assert place_for(Path("/usr/postgres"), STRANGER) == Path("/usr/postgres")


def test_files_out_of_reach_get_a_place_below_the_systems_state(closed: Path) -> None:
    assert place_for(closed / "postgres", STRANGER, Path("/srv/state")).parent == Path("/srv/state")


def test_the_place_of_the_same_files_is_always_the_same(closed: Path) -> None:
    assert place_for(closed / "postgres", STRANGER) == place_for(closed / "postgres", STRANGER)


def test_other_files_get_another_place(closed: Path) -> None:
    (closed / "second").mkdir()
    assert place_for(closed / "postgres", STRANGER) != place_for(closed / "second" / "postgres", STRANGER)


def test_programs_in_reach_are_not_copied() -> None:
    assert readable_copy(Path("/usr"), ["bin"], STRANGER, "programs") == Path("/usr")


def test_programs_out_of_reach_are_copied_with_the_libraries_beside_them(closed: Path, tmp_path: Path) -> None:
    for folder in ("programs", "libraries", "others"):
        (closed / folder).mkdir()
        (closed / folder / "file").write_text(folder)
    copy = readable_copy(closed, ["programs", "libraries"], STRANGER, "copy", tmp_path / "state")
    assert sorted(file.read_text() for file in copy.glob("*/file")) == ["libraries", "programs"]


def test_a_copy_is_made_once(closed: Path, tmp_path: Path) -> None:
    (closed / "programs").mkdir()
    first = readable_copy(closed, ["programs"], STRANGER, "copy", tmp_path / "state")
    (closed / "programs" / "later").touch()
    second = readable_copy(closed, ["programs"], STRANGER, "copy", tmp_path / "state")
    assert first == second
    assert not (second / "programs" / "later").exists()
