"""Where everything is: ports, addresses and folders, from the environment and the checkout's `.env`.

The one rule: every default is the address that `klaster up` uses itself; docker compose publishes the same HTTP ports, so each command works
with either. A port or an address is named once, here. While a stack runs, its ports are the ones it was started with, whatever the environment
says by now.
"""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from klaster_local.failures import WrongUsage
from klaster_local.supervising.ownership import is_owned
from klaster_local.supervising.record import StackRecord
from klaster_shared.embedded.ports import LOOPBACK

SERVICES: Final = ("partners", "events", "budget", "notifications")
_PORT_OF: Final = {"postgres": "postgres_port", "kafka": "kafka_port", "mail": "smtp_port"}
MARK_OF_A_CHECKOUT: Final = Path("deploy/kafka/topics.yaml")


def _port(variable: str, default: int) -> Any:
    return Field(default=default, ge=1, le=65535, validation_alias=variable, description="a port number from 1 to 65535")


def _address(variable: str, description: str) -> Any:
    return Field(default=None, min_length=1, validation_alias=variable, description=description)


class Configuration(BaseModel):
    """Every field's alias is its variable."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    root: Path = Field(validation_alias="KLASTER_CHECKOUT", description="the folder of the checkout")
    state_dir: Path = Field(default=Path(".klaster"), validation_alias="KLASTER_STATE_DIR", description="the folder for databases, logs and mails")

    partners_http_port: int = _port("PARTNERS_HTTP_PORT", 8101)
    events_http_port: int = _port("EVENTS_HTTP_PORT", 8102)
    budget_http_port: int = _port("BUDGET_HTTP_PORT", 8103)
    notifications_http_port: int = _port("NOTIFICATIONS_HTTP_PORT", 8104)
    postgres_port: int = _port("KLASTER_POSTGRES_PORT", 5433)
    kafka_port: int = _port("KLASTER_KAFKA_PORT", 9092)
    smtp_port: int = _port("KLASTER_SMTP_PORT", 1025)

    partners_url: str | None = _address("KLASTER_PARTNERS_URL", "the base address of the partners service")
    events_url: str | None = _address("KLASTER_EVENTS_URL", "the base address of the events service")
    budget_url: str | None = _address("KLASTER_BUDGET_URL", "the base address of the budget service")
    notifications_url: str | None = _address("KLASTER_NOTIFICATIONS_URL", "the base address of the notifications service")
    given_kafka_servers: str | None = _address("KLASTER_KAFKA_SERVERS", "Kafka's bootstrap servers, as host:port")
    compose_kafka_port: int = _port("KLASTER_COMPOSE_KAFKA_PORT", 29092)
    # The default is no secret: docker-compose.yml gives it to services that only this machine reaches. Services without a token ignore it.
    admin_token: SecretStr = Field(
        default=SecretStr("klaster-on-this-machine"), validation_alias="KLASTER_ADMIN_TOKEN", description="the bearer token of /admin"
    )

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, *, directory: Path | None = None) -> Self:
        """From `environment` (default: this process's) and the `.env` of the checkout around `directory` (default: where we are); the ports
        from the record of the stack that runs there, if one does.

        Raises WrongUsage, naming the variable, for a value that cannot be used.
        """
        given = dict(os.environ if environment is None else environment)
        root = Path(given.get("KLASTER_CHECKOUT") or checkout_around(directory or Path.cwd())).resolve()
        merged = {**_dotenv(root), **given, "KLASTER_CHECKOUT": str(root)}
        wanted = {cls.variable(name) for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in merged.items() if name in wanted and value}).as_it_runs()
        except ValidationError as error:
            raise WrongUsage(" ".join(cls._sentence(str(problem["loc"][0])) for problem in error.errors(include_input=False))) from None

    def embedded(self) -> Self:
        """The same, with the addresses of the stack that runs here, whatever others are configured."""
        return self.model_copy(update={**{f"{name}_url": None for name in SERVICES}, "given_kafka_servers": None})

    def as_it_runs(self) -> Self:
        """The same, with the ports of the stack that runs here, if one does."""
        record = StackRecord.read(self.state) if is_owned(self.state) else None
        if record is None:
            return self
        ports = {_PORT_OF.get(part.name, f"{part.name}_http_port"): urlsplit(part.url).port for part in record.parts}
        return self.model_copy(update={field: port for field, port in ports.items() if field in type(self).model_fields and port})

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return str(cls.model_fields[field].validation_alias)

    @cached_property
    def state(self) -> Path:
        """The state folder; a relative one is meant from the checkout, wherever the command is called."""
        return self.root / self.state_dir

    @property
    def environment(self) -> dict[str, str]:
        """What `.env` adds to the environment of children; the variables of the process win."""
        return {name: value for name, value in _dotenv(self.root).items() if name not in os.environ}

    @property
    def kafka_servers(self) -> str:
        return self.given_kafka_servers or f"{LOOPBACK}:{self.kafka_port}"

    @property
    def topics_file(self) -> Path:
        return self.root / MARK_OF_A_CHECKOUT

    @property
    def seed_directory(self) -> Path:
        return self.root / "deploy" / "seed" / "mrpo-8.2"

    def http_port(self, service: str) -> int:
        port: int = getattr(self, f"{service}_http_port")
        return port

    def url(self, service: str) -> str:
        """The base address of a service, without a slash at its end."""
        given: str | None = getattr(self, f"{service}_url")
        return (given or f"http://{LOOPBACK}:{self.http_port(service)}").rstrip("/")

    @classmethod
    def _sentence(cls, variable: str) -> str:
        description = next(field.description for field in cls.model_fields.values() if field.validation_alias == variable)
        return f"{variable} cannot be used: it has to be {description}."


def checkout_around(directory: Path) -> Path:
    """The nearest folder upwards that is a checkout of Klaster, else `directory` itself."""
    resolved = directory.resolve()
    return next((folder for folder in (resolved, *resolved.parents) if (folder / MARK_OF_A_CHECKOUT).exists()), resolved)


def _dotenv(root: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(root / ".env").items() if value is not None}
