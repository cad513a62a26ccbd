"""Ports that the stack needs and that somebody else has: found before anything is started, and said all at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from klaster_local.configuration import SERVICES, Configuration
from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.ports import require_free_port


@dataclass(frozen=True, slots=True)
class Need:
    """`variable` moves the port elsewhere."""

    port: int
    purpose: str
    variable: str


def needs_of(configuration: Configuration) -> tuple[Need, ...]:
    services = [Need(configuration.http_port(name), f"the service {name}", configuration.variable(f"{name}_http_port")) for name in SERVICES]
    engines = [
        Need(configuration.postgres_port, "PostgreSQL", configuration.variable("postgres_port")),
        Need(configuration.kafka_port, "Kafka", configuration.variable("kafka_port")),
        Need(configuration.smtp_port, "the mail sink", configuration.variable("smtp_port")),
    ]
    return (*engines, *services)


def doubly_needed(needs: tuple[Need, ...]) -> list[str]:
    """One sentence per port that two parts are given."""
    first: dict[int, Need] = {}
    return [
        f"Port {need.port} is given to {other.purpose} and to {need.purpose}: change {other.variable} or {need.variable}."
        for need in needs
        if (other := first.setdefault(need.port, need)) is not need
    ]


def taken(needs: tuple[Need, ...]) -> list[str]:
    """One sentence per port that cannot be had: which, by whom if that can be known, and the variable that chooses another."""
    holders: Mapping[int, str] | None = None
    sentences = []
    for need in needs:
        try:
            require_free_port(need.port, purpose=need.purpose, setting=need.variable)
        except EngineError as error:
            holders = _holders() if holders is None else holders
            by = f" (held by {holders[need.port]})" if need.port in holders else ""
            sentences.append(f"{error.message}{by}")
    return sentences


def _holders() -> dict[int, str]:
    """Listening port → process, as far as this account may know."""
    found: dict[int, str] = {}
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.pid is not None and connection.laddr:
                found[connection.laddr.port] = f"{psutil.Process(connection.pid).name()}, process {connection.pid}"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return found
    return found
