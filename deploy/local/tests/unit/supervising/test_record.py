from datetime import UTC, datetime
from pathlib import Path

from klaster_local.supervising.record import RECORD_FILE, PartRecord, PartState, StackRecord


def a_record() -> StackRecord:
    part = PartRecord(name="kafka", kind="engine", url="kafka://127.0.0.1:9092", state=PartState.RUNNING, pid=7, created=12.5, restarts=2)
    return StackRecord(supervisor=1, started_at=datetime(2026, 1, 1, tzinfo=UTC), parts=[part])


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    a_record().write(tmp_path)
    assert StackRecord.read(tmp_path) == a_record()


def test_there_is_no_record_before_the_first(tmp_path: Path) -> None:
    assert StackRecord.read(tmp_path) is None


def test_a_record_of_another_release_is_none(tmp_path: Path) -> None:
    (tmp_path / RECORD_FILE).write_text('{"unknown": 1}')
    assert StackRecord.read(tmp_path) is None


def test_a_part_is_found_by_its_name() -> None:
    record = a_record()
    assert record.part("kafka") is record.parts[0]
    assert record.part("zookeeper") is None
