"""`klaster up` and what follows, as a newcomer meets it: one command, real engines, the seeded project, and services that die meanwhile."""

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from klaster_local.seeding.accounting import book
from klaster_local.seeding.model import InvoiceSeed
from klaster_local.stack import Stack, process_of
from klaster_local.supervising.record import PartState
from klaster_local.testing import LocalStack, Rows
from klaster_shared.testing.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.embedded, pytest.mark.slow, pytest.mark.timeout(600)]

CHECKOUT = Path(__file__).parents[2]
SERVICES = ("partners", "events", "budget", "notifications")
ENGINES = ("postgres", "kafka", "mail")
# When to kill a service: as soon as this list of it has so many entries, which is in the middle of the loading.
IN_THE_MIDDLE = {
    "partners": ("/v1/memberships", 20),
    "events": ("/v1/events", 12),
    "budget": ("/v1/commitments", 4),
    "notifications": ("/v1/deliveries", 20),
}


@contextmanager
def stack_folder() -> Iterator[Path]:
    """PostgreSQL's account has to pass through, which pytest's own folders do not allow."""
    with tempfile.TemporaryDirectory(prefix="klaster-e2e-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "state"


@contextmanager
def a_stack() -> Iterator[LocalStack]:
    """Whatever a test does to it, `klaster down` leaves nothing of it running."""
    with stack_folder() as state:
        stack = LocalStack(CHECKOUT, state)
        try:
            yield stack
        finally:
            parts = processes(stack)
            stopped = stack.run("down")
            assert stopped.returncode == 0, stopped.stderr
            assert not [process for process in parts if is_alive(process)]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with a_stack() as running:
        yield running


@pytest.fixture(scope="module")
def first_up(stack: LocalStack) -> dict[str, Any]:
    """What the first `klaster up` said."""
    said: dict[str, Any] = stack.json("up")
    return said


@pytest.fixture(scope="module")
def undisturbed(stack: LocalStack, first_up: dict[str, Any]) -> Rows:
    """The business rows of a loading in which nothing happened."""
    assert first_up
    return stack.rows()


def test_the_summary_shows_the_seeded_project(first_up: dict[str, Any]) -> None:
    summary = first_up["summary"]
    assert summary["organisations"] == 78
    assert {each["code"]: (each["full"], each["associate"], each["applied"]) for each in summary["networks"]} == {
        "KLSK": (71, 6, 0),
        "GIN": (1, 0, 0),
        "ScanBalt": (0, 1, 0),
        "CEBR": (0, 1, 0),
    }
    assert summary["registrations"] == {"confirmed": 186, "waiting": 5}
    assert {each["rule"]: each["sent"] for each in summary["deliveries"]} == {
        "commitment-refused": 1,
        "membership-upgraded": 12,
        "registration-cancelled-confirmed": 7,
        "registration-confirmed": 194,
        "registration-waitlisted": 6,
        "registration-withdrawn": 1,
    }
    assert summary["messages"]["parked"] == 0
    assert summary["messages"]["inbound"] == 1


def test_every_event_of_the_project_ends_where_the_seed_wants_it(first_up: dict[str, Any]) -> None:
    found = [(each["status"], each["financing"]) for each in first_up["summary"]["events"]]
    assert sorted(found) == sorted(
        [("completed", "secured")] * 9
        + [("published", "secured")] * 3
        + [("published", "none"), ("approved", "secured"), ("cancelled", "released"), ("draft", "refused")]
    )
    assert [each["refusal"] for each in first_up["summary"]["events"] if each["refusal"]] == ["VISITS short by 121500.00 PLN"]


def test_the_grant_adds_up_to_its_total(first_up: dict[str, Any]) -> None:
    (grant,) = first_up["summary"]["grants"]
    assert grant["total"] == grant["totals"]["planned"] == "1087398.00"
    assert {name: grant["totals"][name] for name in ("committed", "declared", "available")} == {
        "committed": "452591.19",
        "declared": "175553.81",
        "available": "459253.00",
    }
    internships = next(line for line in grant["lines"] if line["code"] == "INTERNSHIPS")
    assert internships["declared"] == "44271.50"  # 9 800.00 EUR, booked by the accounting system, at 4.5175


def test_up_again_loads_nothing_and_says_the_same(stack: LocalStack, first_up: dict[str, Any]) -> None:
    before, summary = stack.rows(), stack.json("up")["summary"]
    assert stack.rows() == before
    assert {name: summary[name] for name in summary if name != "messages"} == {
        name: first_up["summary"][name] for name in summary if name != "messages"
    }


def test_seeding_again_publishes_no_message(stack: LocalStack, first_up: dict[str, Any]) -> None:
    assert first_up
    once = stack.json("seed")["summary"]["messages"]
    again = stack.json("seed")["summary"]["messages"]
    assert (again["published"], again["handled"]) == (once["published"], once["handled"])


def test_status_knows_every_part_and_holds_no_alert(stack: LocalStack, first_up: dict[str, Any]) -> None:
    assert first_up
    status = stack.json("status")
    assert {part["name"] for part in status["parts"]} == {"supervisor", *ENGINES, *SERVICES}
    assert {part["state"] for part in status["parts"]} == {"running"}
    assert all(part["pid"] and part["memory_mb"] > 0 and part["url"] for part in status["parts"])
    assert status["alerts"] == []


def test_tail_shows_one_line_per_message_and_hides_people(stack: LocalStack, first_up: dict[str, Any]) -> None:
    assert first_up
    shown = stack.run("tail", "--from-beginning", "--no-follow", "--type", "RegistrationConfirmed")
    lines = shown.stdout.splitlines()
    assert len(lines) == 194
    assert all("RegistrationConfirmed" in line and "name=•••" in line and "example.org" not in line for line in lines)


def test_the_topics_are_as_declared(stack: LocalStack, first_up: dict[str, Any]) -> None:
    assert first_up
    assert stack.run("topics", "check").returncode == 0


def test_a_message_of_an_unknown_source_is_parked_and_can_be_skipped(stack: LocalStack, first_up: dict[str, Any]) -> None:
    assert first_up
    book_an_invoice(stack, source="/accounting/stranger")
    parked = wait_until(lambda: stack.json("parked", "list"), within=30, what="the strange invoice to be parked")
    assert [(each["service"], each["reason"], each["state"]) for each in parked] == [("budget", "unknown-source", "held")]
    skipped = stack.run("parked", "skip", f"budget:{parked[0]['id']}", "--reason", "not ours")
    assert skipped.returncode == 0, skipped.stderr
    assert stack.json("parked", "list") == []


@pytest.mark.parametrize("part", ["events", *ENGINES])
def test_a_killed_part_is_started_again_and_counted(stack: LocalStack, first_up: dict[str, Any], part: str) -> None:
    assert first_up
    before = stack.part(part).restarts
    killed = stack.kill(part)
    wait_until(
        lambda: (now := stack.part(part)).state is PartState.RUNNING and now.pid != killed and now.restarts == before + 1,
        within=90,
        what=f"the supervisor to start {part} again",
    )


def test_a_restart_that_was_asked_for_is_not_counted(stack: LocalStack, first_up: dict[str, Any]) -> None:
    assert first_up
    before = stack.part("partners")
    done = stack.run("restart", "partners")
    after = stack.part("partners")
    assert (done.returncode, after.state, after.restarts) == (0, PartState.RUNNING, before.restarts)
    assert after.pid != before.pid


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_killed_while_seeding_changes_no_business_row(undisturbed: Rows, service: str) -> None:
    with a_stack() as stack:
        stack.json("up", "--no-seed")
        seeding = stack.start("seed", "--json")
        path, entries = IN_THE_MIDDLE[service]
        wait_until(lambda: stack.count(service, path) >= entries, within=60, what="the middle of the loading")
        stack.kill(service)
        _, complaints = seeding.communicate(timeout=300)
        assert seeding.returncode == 0, complaints
        rows = stack.rows()
        assert stack.part(service).restarts == 1
        for kind, expected in undisturbed.items():
            assert rows[kind] == expected, kind


def test_nothing_outlives_a_supervisor_that_is_killed_and_the_next_start_mends_what_it_left() -> None:
    with a_stack() as stack:
        stack.json("up", "--no-seed")
        parts = processes(stack)
        assert len(parts) == len(ENGINES) + len(SERVICES)
        stack.kill_supervisor()
        wait_until(lambda: not [process for process in parts if is_alive(process)], within=40, what="the children to end with their supervisor")
        assert stack.run("status").returncode == 1
        stack.json("up", "--no-seed")
        assert stack.run("status").returncode == 0


def test_up_on_a_stack_that_is_being_started_waits_for_that_start() -> None:
    with a_stack() as stack:
        first = stack.start("up", "--no-seed")
        wait_until(lambda: Stack(stack.configuration).is_running, within=240, what="the supervisor of the first")
        second = stack.run("up", "--no-seed")
        assert second.returncode == 0, second.stderr
        assert "waits for that start" in second.stderr + second.stdout
        assert stack.run("status").returncode == 0
        _, complaints = first.communicate(timeout=240)
        assert first.returncode == 0, complaints


def test_a_taken_port_is_named_with_its_variable_and_nothing_is_started() -> None:
    with a_stack() as stack, socket.create_server(("127.0.0.1", stack.configuration.kafka_port)):
        refused = stack.run("up")
        assert refused.returncode == 1
        assert f"Port {stack.configuration.kafka_port} is taken" in refused.stderr
        assert "KLASTER_KAFKA_PORT" in refused.stderr
        assert stack.run("down").stdout.startswith("Nothing was running")


def processes(stack: LocalStack) -> list[psutil.Process]:
    """The living ones of the stack, without its supervisor."""
    record = Stack(stack.configuration).record()
    found = [process_of(part.pid, part.created) for part in record.parts] if record else []
    return [process for process in found if process is not None]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def book_an_invoice(stack: LocalStack, *, source: str) -> None:
    """As a system would that nobody has told Klaster of."""
    invoice = InvoiceSeed.model_validate(
        {"number": "X 1", "issuer": "A stranger", "issued_on": "2011-12-01", "line": "MANAGEMENT", "amount": {"amount": "1.00", "currency": "PLN"}}
    )
    asyncio.run(book(stack.configuration.kafka_servers, [invoice], source=source, grant_code="MRPO-8.2", events={}))
