import json
import subprocess
import sys
from pathlib import Path

import pytest

from klaster_shared.crash_points import CrashPoint
from klaster_shared.testing.crashing import AT, EXIT_STATUS, LOG, CannotArm, arm_from, crashes, plan

DYING = """
import os, sys
from klaster_shared.crash_points import CrashPoint, reached
from klaster_shared.testing.crashing import arm_from

arm_from(os.environ, service="klaster-example")
for number in range(1, 5):
    reached(CrashPoint.AFTER_COMMIT)
    reached(CrashPoint.AFTER_SEND)
    print(number, flush=True)
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", DYING], env=environment, capture_output=True, text=True, check=False)


def test_a_process_dies_the_third_time_it_gets_there(tmp_path: Path) -> None:
    ended = run(**{AT: "after_send:3", LOG: str(tmp_path / "log")})
    assert (ended.returncode, ended.stdout.split()) == (EXIT_STATUS, ["1", "2"])


def test_a_death_is_written_down_before_it_happens(tmp_path: Path) -> None:
    run(**{AT: "after_send", LOG: str(tmp_path / "log")})
    (crash,) = crashes(tmp_path / "log")
    assert (crash.point, crash.service) == (CrashPoint.AFTER_SEND, "klaster-example")


def test_deaths_of_several_processes_share_a_file(tmp_path: Path) -> None:
    for point in ("after_send", "after_commit"):
        run(**{AT: point, LOG: str(tmp_path / "log")})
    assert [crash.point for crash in crashes(tmp_path / "log")] == ["after_send", "after_commit"]


def test_of_several_points_the_first_one_reached_is_the_last(tmp_path: Path) -> None:
    run(**{AT: "after_send:1, after_commit:2", LOG: str(tmp_path / "log")})
    assert [crash.point for crash in crashes(tmp_path / "log")] == ["after_send"]


def test_the_same_seed_dies_at_the_same_time() -> None:
    one, other = (plan("after_send~0.05@17")[CrashPoint.AFTER_SEND] for _ in range(2))
    visits = [one() for _ in range(500)]
    assert visits == [other() for _ in range(500)]
    assert any(visits)


def test_nothing_happens_without_the_variable(tmp_path: Path) -> None:
    ended = run(**{AT: "", LOG: str(tmp_path / "log")})
    assert (ended.returncode, crashes(tmp_path / "log")) == (0, [])


@pytest.mark.parametrize("text", ["after_lunch", "after_send:0", "after_send~2@1", "after_send~0.5", "after_send:", ","])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(CannotArm, match="is not understood"):
        plan(text)


def test_a_death_without_a_record_is_refused() -> None:
    with pytest.raises(CannotArm, match=LOG):
        arm_from({AT: "after_send"}, service="klaster-example")


def test_a_line_of_the_record_is_json(tmp_path: Path) -> None:
    run(**{AT: "after_send", LOG: str(tmp_path / "log")})
    assert json.loads((tmp_path / "log").read_text()).keys() == {"point", "service", "pid", "at"}
