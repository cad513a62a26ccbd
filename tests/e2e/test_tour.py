"""The README's tour, as a newcomer pastes it: every command of it, in its order, against a freshly seeded stack."""

import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from klaster_local.configuration import SERVICES
from klaster_local.testing import LocalStack

pytestmark = [pytest.mark.e2e, pytest.mark.embedded, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PUBLISHED_PORTS = dict(zip(SERVICES, (8101, 8102, 8103, 8104), strict=True))
TOUR_SECONDS = 120
MARK = "=== "


def commands() -> list[str]:
    """What stands after a prompt in the tour."""
    tour = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- tour -->")[2].partition("<!-- /tour -->")[0]
    return re.findall(r"^\$ (.+)$", tour, re.MULTILINE)


def here(command: str, stack: LocalStack) -> str:
    """The command on this stack's ports, with this interpreter's `klaster`."""
    for service, port in PUBLISHED_PORTS.items():
        command = command.replace(f"localhost:{port}", f"localhost:{stack.configuration.http_port(service)}")
    return re.sub(r"^(\./klaster|uv run klaster)\b", shlex.join([sys.executable, "-m", "klaster_local"]), command)


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with tempfile.TemporaryDirectory(prefix="klaster-tour-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's account passes through
        stack = LocalStack(ROOT, Path(folder) / "state")
        try:
            stack.json("up")
            yield stack
        finally:
            assert stack.run("down").returncode == 0


@pytest.fixture(scope="module")
def said(stack: LocalStack) -> list[str]:
    """What each command said; none of them failed."""
    script = "".join(f"{here(command, stack)}\necho '{MARK}'\n" for command in commands())
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script], env=stack.environment, capture_output=True, text=True, timeout=TOUR_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [answer.strip() for answer in done.stdout.split(MARK)][:-1]


def answer_to(said: list[str], *parts: str) -> str:
    """What the last command that has all these parts said."""
    return [answer for command, answer in zip(commands(), said, strict=True) if all(part in command for part in parts)][-1]


def test_the_tour_has_commands() -> None:
    assert len(commands()) > 10


def test_the_members_of_a_day_are_shown(said: list[str]) -> None:
    members = json.loads(answer_to(said, "as_of="))
    assert len(members["items"]) == 2
    assert members["next"]


def test_the_workshop_is_published_with_its_money_reserved(said: list[str]) -> None:
    assert json.loads(answer_to(said, "/publish"))["status"] == "published"
    (commitment,) = json.loads(answer_to(said, "/v1/commitments"))["items"]
    assert commitment["lines"][0]["reserved"] == {"amount": "1500.00", "currency": "PLN"}


def test_the_first_has_the_seat_and_the_second_waits(said: list[str]) -> None:
    first, second = (json.loads(answer_to(said, "/registrations", f"zin-0{person}@")) for person in (1, 2))
    assert (first["status"], second["status"], second["position"]) == ("confirmed", "waitlisted", 1)


def test_bad_input_is_named(said: list[str]) -> None:
    refused = json.loads(answer_to(said, "not an address"))
    assert {error["field"] for error in refused["errors"]} == {"email", "locale"}
    assert json.loads(answer_to(said, "/approve"))["type"] == "/problems/transition-refused"


def test_the_event_is_cancelled_in_the_end(said: list[str]) -> None:
    assert json.loads(answer_to(said, "/cancel"))["status"] == "cancelled"
