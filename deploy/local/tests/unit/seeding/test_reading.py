import shutil
from pathlib import Path

import pytest

from klaster_local.failures import CommandFailed
from klaster_local.seeding.reading import broken_references, read_seed

DIRECTORY = Path(__file__).parents[4] / "seed" / "mrpo-8.2"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DIRECTORY, tmp_path / "seed"))


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "rates.yaml").unlink()
    with pytest.raises(CommandFailed, match=r"rates\.yaml"):
        read_seed(copy)


def test_a_field_that_is_not_known_is_named(copy: Path) -> None:
    change(copy / "grant.yaml", "code: MRPO-8.2", "code: MRPO-8.2\ncolour: blue")
    with pytest.raises(CommandFailed, match=r"grant\.yaml.*colour"):
        read_seed(copy)


def test_an_amount_written_as_a_number_is_refused(copy: Path) -> None:
    change(copy / "grant.yaml", '"118000.00"', "118000.00")
    with pytest.raises(CommandFailed, match=r"lines\.0\.planned"):
        read_seed(copy)


def test_a_host_that_does_not_exist_is_named(copy: Path) -> None:
    change(copy / "events.yaml", "host: SKEMA", "host: SKEMER")
    with pytest.raises(CommandFailed, match="strategy-skema names the organisation SKEMER"):
        read_seed(copy)


def test_a_line_that_the_grant_does_not_have_is_named(copy: Path) -> None:
    change(copy / "events.yaml", "{ZIN:", "{ZEN:")
    with pytest.raises(CommandFailed, match="names the line ZEN"):
        read_seed(copy)


def test_a_cancellation_needs_its_reason(copy: Path) -> None:
    change(copy / "events.yaml", "    reason: The host cannot receive the group in these days.\n", "")
    with pytest.raises(CommandFailed, match="a reason belongs to the goal cancelled"):
        read_seed(copy)


def test_the_committed_seed_has_no_broken_reference() -> None:
    assert list(broken_references(read_seed(DIRECTORY))) == []


def test_wall_times_are_those_of_the_events_own_zone() -> None:
    starts = {each.key: each.starts.isoformat() for each in read_seed(DIRECTORY).events}
    assert starts["visit-midlothian"] == "2011-09-12T08:00:00+00:00"
    assert starts["conference-2011"] == "2011-10-06T07:00:00+00:00"
    assert starts["networks-2012"] == "2012-11-21T08:00:00+00:00"
