"""Settings come from the environment, once, at the start; everything else receives them as an object.

The one rule: a missing or wrong variable is a sentence that names it and the way out, and no sentence repeats what stood in it.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

PLATFORM_PREFIX = "KLASTER_"
_DRIVER_SCHEME = "postgresql+asyncpg"
_URL_SCHEMES = {"postgresql", "postgres", _DRIVER_SCHEME}


class SettingsError(Exception):
    """Variables that are missing or cannot be used: one sentence each."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _driver_url(given: SecretStr) -> SecretStr:
    """Any usual way to write a PostgreSQL URL becomes the one SQLAlchemy needs for asyncpg."""
    url = given.get_secret_value().strip()
    parts = urlsplit(url)
    if parts.scheme not in _URL_SCHEMES or not parts.hostname or not parts.path.strip("/"):
        raise ValueError("a URL with scheme, host and database is needed")
    _ = parts.port  # raises ValueError when it is no port number
    return SecretStr(f"{_DRIVER_SCHEME}{url.removeprefix(parts.scheme)}")


def _bootstrap_servers(given: str) -> str:
    servers = [server.strip() for server in given.split(",") if server.strip()]
    for server in servers:
        host, separator, port = server.rpartition(":")
        if not (host and separator and port.isdecimal()):
            raise ValueError("each server is host:port")
    if not servers:
        raise ValueError("at least one server is needed")
    return ",".join(servers)


def _platform(name: str) -> AliasChoices:
    """A variable that all services share keeps its name whatever the service's own prefix is."""
    return AliasChoices(f"{PLATFORM_PREFIX}{name.upper()}", name)


class ServiceSettings(BaseSettings):
    """What every service needs. A service subclasses it with its `env_prefix` and its own `http_port`.

    A field's description completes the sentence "<VARIABLE>: …" and says what to put there.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, case_sensitive=False, validate_default=True)

    service: ClassVar[str]
    """The service's name in URLs of messages, metrics and logs: `partners`."""

    database_url: Annotated[SecretStr, AfterValidator(_driver_url)] = Field(
        description="the service's own database, as postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    )
    database_pool_size: int = Field(default=10, ge=2, le=200, description="connections to the database, 2 to 200")
    http_host: str = Field(default="127.0.0.1", min_length=1, description="the address to listen on; 0.0.0.0 for all")
    http_port: int = Field(ge=0, le=65535, description="the port to listen on, 1 to 65535 (0: any free one)")

    kafka_servers: Annotated[str, AfterValidator(_bootstrap_servers)] = Field(
        default="127.0.0.1:9092", validation_alias=_platform("kafka_servers"), description="Kafka's bootstrap servers, as host:port,host:port"
    )
    instance_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        validation_alias=_platform("instance_id"),
        description="a name that stays with this replica (the pod's ordinal): letters, digits, . _ -; unset means dynamic membership",
    )
    inbox_retention_days: int = Field(
        default=14,
        ge=1,
        le=3650,
        validation_alias=_platform("inbox_retention_days"),
        description="days for which a message that comes again is recognised by its id, 1 to 3650",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        validation_alias=_platform("admin_token"),
        description="the bearer token of /admin, at least 16 characters; unset means loopback clients only",
    )
    parked_per_key: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        validation_alias=_platform("parked_per_key"),
        description="how many messages may be parked behind one key before their partition stands still, 1 to 1000000",
    )
    parked_per_consumer: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        validation_alias=_platform("parked_per_consumer"),
        description="how many messages a consumer may have parked before partitions stand still, 1 to 10000000",
    )
    parked_editing: bool = Field(
        default=False, validation_alias=_platform("parked_editing"), description="true where operators may change parked messages, else false"
    )
    log_level: LogLevel = Field(default=LogLevel.INFO, validation_alias=_platform("log_level"), description="debug, info, warning or error")
    log_format: LogFormat = Field(default=LogFormat.JSON, validation_alias=_platform("log_format"), description="json or console")

    @classmethod
    def load(cls, **given: Any) -> Self:
        """From the environment; `given` wins over it.

        Raises:
            SettingsError: a variable is missing or cannot be used.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(
                list(dict.fromkeys(_sentence(cls, problem["loc"], problem["type"]) for problem in error.errors(include_input=False)))
            ) from None

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of a field."""
        alias = cls.model_fields[name].validation_alias
        if isinstance(alias, AliasChoices):
            return str(alias.choices[0])
        return f"{cls.model_config.get('env_prefix', '')}{name}".upper()

    def redacted(self) -> dict[str, str]:
        """Variable → value as it may be logged: secrets are starred, of the database URL everything but user and password is kept."""
        shown = {self.variable(name): _shown(getattr(self, name)) for name in type(self).model_fields}
        return shown | {self.variable("database_url"): _without_credentials(self.database_url)}


def _sentence(settings: type[ServiceSettings], location: tuple[int | str, ...], rule: str) -> str:
    name = _field_of(settings, str(location[0])) if location else None
    if name is None:
        return "The settings contradict each other."
    field: FieldInfo = settings.model_fields[name]
    complaint = "is not set" if rule == "missing" else "cannot be used"
    return f"{settings.variable(name)} {complaint}: it is {field.description or 'described in the README'}."


def _field_of(settings: type[ServiceSettings], location: str) -> str | None:
    """The field behind the name pydantic reports, which is an alias where there is one."""
    wanted = location.lower()
    return next((name for name in settings.model_fields if wanted in {name, settings.variable(name).lower()}), None)


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _without_credentials(url: SecretStr) -> str:
    parts = urlsplit(url.get_secret_value())
    return f"{parts.scheme}://***@{parts.hostname}:{parts.port or 5432}{parts.path}"
