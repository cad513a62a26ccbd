"""What the embedded stack consists of: three engines, four databases, four services, and what each service is told by its environment.

The one rule: a service gets here what any deployment would give it: its own database with a role of its own, and addresses; nothing else.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Final

from klaster_local.configuration import SERVICES, Configuration
from klaster_local.readiness import ailment_of, is_ready
from klaster_local.service_commands import command_of
from klaster_local.supervising.ownership import SECRETS_FILE
from klaster_local.supervising.part import Launch, engine_launch
from klaster_local.supervising.wiring import wiring
from klaster_shared.embedded.engine import Progress
from klaster_shared.embedded.kafka import KafkaServer
from klaster_shared.embedded.mail import MailServer
from klaster_shared.embedded.ports import LOOPBACK, require_free_port
from klaster_shared.embedded.postgres import DatabaseSpec, PostgresServer
from klaster_shared.embedded.supervision import Program
from klaster_shared.lifecycle import STOP_SECONDS

POSTGRES, KAFKA, MAIL = "postgres", "kafka", "mail"
SERVICE_READY_WITHIN: Final = 60.0
MARGIN_SECONDS: Final = 5.0
"""What a service is granted over the bound of its stop; it ends by itself before anybody has to kill it."""


class Blueprint:
    """Everything of one state folder. The engines are made once: they know where their files are."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.state = configuration.state
        self.postgres = PostgresServer(self.state, configuration.postgres_port, setting=configuration.variable("postgres_port"))
        self.kafka = KafkaServer(self.state, configuration.kafka_port, setting=configuration.variable("kafka_port"))
        self.mail = MailServer(self.state, configuration.smtp_port, setting=configuration.variable("smtp_port"))
        self._passwords: dict[str, str] = {}

    def engines(self) -> tuple[Launch, ...]:
        ports = self.configuration
        return (
            engine_launch(POSTGRES, self.postgres, f"postgresql://{LOOPBACK}:{ports.postgres_port}"),
            engine_launch(KAFKA, self.kafka, f"kafka://{LOOPBACK}:{ports.kafka_port}"),
            engine_launch(MAIL, self.mail, f"smtp://{LOOPBACK}:{ports.smtp_port}"),
        )

    def services(self) -> tuple[Launch, ...]:
        return tuple(self._service(name) for name in SERVICES)

    def databases(self) -> list[DatabaseSpec]:
        passwords = self._known_passwords()
        return [DatabaseSpec(database=name, role=name, password=passwords[name]) for name in SERVICES]

    def migration(self, service: str) -> Program:
        return Program(
            name=f"The migration of {service}",
            command=(command_of(service), "migrate"),
            environment=self.environment(service),
            log=self.state / "logs" / f"{service}-migrate.log",
        )

    def environment(self, service: str) -> dict[str, str]:
        """What is added to our own environment for a service; `.env` may say more, but cannot lead it away from this stack."""
        spec = next(spec for spec in self.databases() if spec.database == service)
        return {**self.configuration.environment, **wiring(self.configuration, service, database_url=self.postgres.access.url(spec))}

    def _service(self, name: str) -> Launch:
        port, url = self.configuration.http_port(name), f"http://{LOOPBACK}:{self.configuration.http_port(name)}"

        def prepare(_: Progress) -> Program:
            require_free_port(port, purpose=f"the service {name}", setting=self.configuration.variable(f"{name}_http_port"))
            return Program(
                name=name,
                command=(command_of(name), "serve"),
                environment=self.environment(name),
                log=self.state / "logs" / f"{name}.log",
                grace=STOP_SECONDS + MARGIN_SECONDS,
            )

        return Launch(
            name=name,
            kind="service",
            url=url,
            prepare=prepare,
            ready=lambda: is_ready(url),
            ready_within=SERVICE_READY_WITHIN,
            ailment=lambda: ailment_of(url),
        )

    def _known_passwords(self) -> dict[str, str]:
        """Made once per state folder. They are set anew at every start, so losing the file loses nothing."""
        if not self._passwords:
            file = self.state / SECRETS_FILE
            if not file.exists():
                _write_private(file, json.dumps({name: secrets.token_urlsafe(24) for name in SERVICES}))
            self._passwords = json.loads(file.read_text())
        return self._passwords


def _write_private(file: Path, text: str) -> None:
    partial = file.with_suffix(".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    partial.rename(file)
