"""A whole stack for tests: on ports and in a folder of its own, driven by the command as people drive it.

The one rule: what is compared between two runs is what a business would compare: no ids, no instants, no counts of attempts.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from klaster_local.configuration import SERVICES, Configuration
from klaster_local.endpoints import Endpoint, Json, endpoints
from klaster_local.stack import Stack
from klaster_local.supervising.ownership import owner
from klaster_local.supervising.record import PartRecord
from klaster_shared.embedded.ports import free_port

COMMAND_SECONDS = 240
PORT_VARIABLES = (
    "KLASTER_POSTGRES_PORT",
    "KLASTER_KAFKA_PORT",
    "KLASTER_SMTP_PORT",
    *(f"{service.upper()}_HTTP_PORT" for service in SERVICES),
)
SAID = frozenset({"starts_at", "ends_at"})
"""Instants that somebody has said, not a clock."""

MADE_ANEW = frozenset(
    {"id", "approval", "approval_id", "cause", "recipient_id", "message_id", "key", "partition", "offset", "attempts", "last_failure"}
)

type Rows = dict[str, list[Any]]


class LocalStack:
    """`state` is an empty folder that PostgreSQL's account can reach."""

    def __init__(self, checkout: Path, state: Path) -> None:
        chosen: set[int] = set()
        while len(chosen) < len(PORT_VARIABLES):
            chosen.add(free_port())
        ports = {variable: str(port) for variable, port in zip(PORT_VARIABLES, chosen, strict=True)}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KLASTER_") or name == "KLASTER_CACHE_DIR"}
        self.environment = {**inherited, **ports, "KLASTER_STATE_DIR": str(state), "KLASTER_CHECKOUT": str(checkout)}
        self.configuration = Configuration.load(self.environment)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The finished command."""
        return subprocess.run(
            _command(arguments), env=self.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The running command; its output is on `stdout` and `stderr`."""
        return subprocess.Popen(
            _command(arguments), env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
        )

    def json(self, *arguments: str) -> Any:
        """What a successful command says to programs; its complaints are in the error of an unsuccessful one."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def part(self, name: str) -> PartRecord:
        """What the supervisor says of a part at this moment."""
        record = Stack(self.configuration).record()
        part = record.part(name) if record else None
        assert part is not None, f"no supervisor, or it has no {name}"
        return part

    def kill(self, name: str) -> int:
        """Ends a part as a crash would; its pid."""
        pid = self.part(name).pid
        assert pid is not None, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_supervisor(self) -> None:
        """Ends the supervisor as a crash would."""
        pid = owner(self.configuration.state)
        assert pid is not None, "no supervisor"
        os.kill(pid, signal.SIGKILL)

    def rows(self) -> Rows:
        """The business rows of all services, each list in an order of its own values."""
        return asyncio.run(_rows(self.configuration))

    def count(self, service: str, path: str) -> int:
        """How many things a list has at this moment."""
        return asyncio.run(_count(self.configuration, service, path))


def _command(arguments: Iterable[str]) -> list[str]:
    return [sys.executable, "-m", "klaster_local", *arguments]


async def _count(configuration: Configuration, service: str, path: str) -> int:
    async with endpoints(configuration) as services:
        return len(await services[service].items(path))


async def _rows(configuration: Configuration) -> Rows:
    async with endpoints(configuration) as services:
        partners, events, budget, notifications = (services[name] for name in SERVICES)
        organisations, networks = await partners.items("/v1/organisations"), await partners.items("/v1/networks")
        held, grants = await events.items("/v1/events"), await budget.items("/v1/grants")
        found = {
            "organisations": organisations,
            "contacts": await _within(partners, "/v1/organisations/{id}/contacts", organisations),
            "memberships": await partners.items("/v1/memberships"),
            "events": held,
            "registrations": await _within(events, "/v1/events/{id}/registrations", held),
            "grants": grants,
            "rates": await budget.items("/v1/rates"),
            "commitments": await budget.items("/v1/commitments"),
            "expenditures": await budget.items("/v1/expenditures"),
            "deliveries": await notifications.items("/v1/deliveries"),
            "parked": [each for service in services.values() for each in await service.parked()],
        }
    named = {each["id"]: each["name"] for each in organisations} | {each["id"]: each["code"] for each in (*networks, *grants)}
    named |= {each["id"]: each["title"]["en"] for each in held}
    return {kind: sorted((_comparable(row, named) for row in rows), key=json.dumps) for kind, rows in found.items()}


async def _within(service: Endpoint, path: str, owners: Iterable[Json]) -> list[Json]:
    return [each for owner in owners for each in await service.items(path.format(id=owner["id"]))]


def _comparable(value: Any, named: Mapping[str, str]) -> Any:
    """Without what every run makes anew; the id of a thing with a name becomes the name."""
    match value:
        case dict():
            return {name: _comparable(each, named) for name, each in value.items() if name in SAID or not (name in MADE_ANEW or name.endswith("_at"))}
        case list():
            return [_comparable(each, named) for each in value]
        case str():
            return named.get(value, value)
        case _:
            return value
