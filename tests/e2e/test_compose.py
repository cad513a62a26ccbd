"""`docker compose up`, as whoever prefers containers meets it: images from this checkout, every part healthy, the project loaded, mails and metrics there."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from klaster_shared.embedded.ports import LOOPBACK, free_port
from klaster_shared.testing.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).parents[2]
SERVICES = ("partners", "events", "budget", "notifications")
ONE_SHOTS = {"topics", *(f"{service}-migrate" for service in SERVICES)}
PORTS = (
    *(f"{service.upper()}_HTTP_PORT" for service in SERVICES),
    "KLASTER_COMPOSE_KAFKA_PORT",
    "KLASTER_SMTP_PORT",
    "MAILPIT_PORT",
    "PROMETHEUS_PORT",
)
LONGEST_COMMAND = 600
LAST_WORDS = 40


class ComposedStack:
    """The stack under a project name and on ports of its own, so that it disturbs none that runs here already."""

    def __init__(self) -> None:
        chosen: set[int] = set()
        while len(chosen) < len(PORTS):
            chosen.add(free_port())
        self.ports = dict(zip(PORTS, chosen, strict=True))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("KLASTER_")},
            **{name: str(port) for name, port in self.ports.items()},
            "COMPOSE_PROJECT_NAME": f"klaster-test-{secrets.token_hex(4)}",
            "KLASTER_CHECKOUT": str(CHECKOUT),
            "KLASTER_KAFKA_SERVERS": f"{LOOPBACK}:{self.ports['KLASTER_COMPOSE_KAFKA_PORT']}",
            "KLASTER_ADMIN_TOKEN": secrets.token_urlsafe(24),
        }

    def compose(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run("docker", "compose", *words)

    def klaster(self, *words: str) -> Any:
        """What a successful `klaster … --json` says."""
        done = self._run(sys.executable, "-m", "klaster_local", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def parts(self) -> dict[str, dict[str, Any]]:
        """Every container of the project, running or ended, by the name it has in docker-compose.yml."""
        listed = [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").stdout.splitlines()]
        return {part["Service"]: part for part in listed}

    def log(self, part: str) -> list[dict[str, Any]]:
        """What a service has logged. Not by `docker compose logs`, which puts control characters before the lines."""
        return [json.loads(line) for line in self._run("docker", "logs", self.parts()[part]["ID"]).stdout.splitlines()]

    def ask(self, port: str, path: str) -> Any:
        return httpx.get(f"http://{LOOPBACK}:{self.ports[port]}{path}", timeout=10).raise_for_status().json()

    def prometheus(self, path: str) -> Any:
        return self.ask("PROMETHEUS_PORT", f"/api/v1/{path}")["data"]

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, timeout=LONGEST_COMMAND, check=False, stdin=subprocess.DEVNULL
        )


@pytest.fixture(scope="module")
def stack() -> Iterator[ComposedStack]:
    composed = ComposedStack()
    try:
        started = composed.compose("up", "--detach", "--wait", "--build")
        assert started.returncode == 0, "\n".join([*started.stderr.splitlines()[-LAST_WORDS:], composed.compose("logs", "--tail", "20").stdout])
        yield composed
    finally:
        removed = composed.compose("down", "--volumes", "--remove-orphans")
        assert removed.returncode == 0, removed.stderr


@pytest.fixture(scope="module")
def seeded(stack: ComposedStack) -> dict[str, Any]:
    """What `klaster seed` says has become of the project."""
    summary: dict[str, Any] = stack.klaster("seed")["summary"]
    return summary


def test_every_part_is_healthy_or_has_ended_well(stack: ComposedStack) -> None:
    parts = stack.parts()
    assert {name: part["ExitCode"] for name, part in parts.items() if part["State"] == "exited"} == dict.fromkeys(ONE_SHOTS, 0)
    assert {part["Health"] for name, part in parts.items() if name not in ONE_SHOTS} == {"healthy"}


def test_starting_it_again_succeeds_and_replaces_nothing(stack: ComposedStack) -> None:
    before = {name: part["ID"] for name, part in stack.parts().items()}
    assert stack.compose("up", "--detach", "--wait").returncode == 0
    assert {name: part["ID"] for name, part in stack.parts().items()} == before


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_as_nobody_on_files_it_cannot_change(stack: ComposedStack, service: str) -> None:
    assert stack.compose("exec", service, "id", "-u").stdout.strip() == "10001"
    assert stack.compose("exec", service, "touch", "/app/changed").returncode != 0


def test_prometheus_reaches_every_service(stack: ComposedStack) -> None:
    def health() -> dict[str, str]:
        return {target["labels"]["job"]: target["health"] for target in stack.prometheus("targets")["activeTargets"]}

    wait_until(lambda: set(health().values()) == {"up"}, within=60, what="a first scrape of every service")
    assert health().keys() == set(SERVICES)


def test_a_replica_consumes_beside_its_service_and_prometheus_finds_it(stack: ComposedStack) -> None:
    def reached() -> int:
        return [target["health"] for target in stack.prometheus("targets")["activeTargets"] if target["labels"]["job"] == "events"].count("up")

    started = stack.compose("--profile", "replicas", "up", "--detach", "--wait", "--no-recreate", "events-consumers")
    try:
        assert started.returncode == 0, started.stderr
        wait_until(lambda: reached() == 2, within=120, what="Prometheus to find the replica")
    finally:
        stack.compose("--profile", "replicas", "rm", "--stop", "--force", "events-consumers")
    wait_until(lambda: reached() == 1, within=120, what="Prometheus to forget the replica")


def test_prometheus_evaluates_every_alert(stack: ComposedStack) -> None:
    written = yaml.safe_load((CHECKOUT / "deploy/prometheus/alerts.yml").read_text())["groups"]

    def health() -> dict[str, str]:
        return {rule["name"]: rule["health"] for group in stack.prometheus("rules")["groups"] for rule in group["rules"]}

    wait_until(lambda: set(health().values()) == {"ok"}, within=60, what="a first evaluation of every rule")
    assert health().keys() == {rule["alert"] for group in written for rule in group["rules"]}


def test_prometheus_understands_every_question_of_the_dashboard(stack: ComposedStack) -> None:
    panels = json.loads((CHECKOUT / "deploy/grafana/dashboards/klaster.json").read_text())["panels"]
    questions = [
        target["expr"].replace("$__rate_interval", "5m").replace("$service", ".*") for panel in panels for target in panel.get("targets", ())
    ]
    assert questions
    for question in questions:
        assert stack.prometheus(f"query?query={quote(question)}")["resultType"] in {"vector", "scalar"}


def test_the_project_is_loaded_and_every_message_has_its_effect(seeded: dict[str, Any]) -> None:
    assert seeded["organisations"] == 78
    assert {event["financing"] for event in seeded["events"]} == {"none", "secured", "refused", "released"}
    assert seeded["messages"]["parked"] == 0


def test_every_mail_that_was_sent_has_arrived(stack: ComposedStack, seeded: dict[str, Any]) -> None:
    sent = sum(rule["sent"] for rule in seeded["deliveries"])
    assert sent > 200
    assert stack.ask("MAILPIT_PORT", "/api/v1/messages?limit=1")["total"] == sent


def test_loading_it_again_changes_nothing(stack: ComposedStack, seeded: dict[str, Any]) -> None:
    again = stack.klaster("seed")["summary"]
    assert {part: again[part] for part in again if part != "messages"} == {part: seeded[part] for part in seeded if part != "messages"}
    assert again["messages"]["published"] == seeded["messages"]["published"]


def test_no_alert_fires_and_no_service_has_anything_to_complain_of(stack: ComposedStack, seeded: dict[str, Any]) -> None:
    assert seeded
    assert [alert["labels"]["alertname"] for alert in stack.prometheus("alerts")["alerts"] if alert["state"] == "firing"] == []
    said = [line for service in SERVICES for line in stack.log(service)]
    assert said
    assert [line for line in said if line["logger"].startswith("klaster_") and line["level"] in {"error", "critical"}] == []
