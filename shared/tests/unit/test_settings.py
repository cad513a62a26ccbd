from typing import ClassVar

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from klaster_shared.settings import LogFormat, LogLevel, ServiceSettings, SettingsError

URL = "postgresql://partners:s3cret@db.example:6432/partners"


class PartnersSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="PARTNERS_")
    service: ClassVar[str] = "partners"
    http_port: int = Field(default=8101, ge=0, le=65535, description="the port to listen on")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (
        "PARTNERS_DATABASE_URL",
        "PARTNERS_HTTP_PORT",
        "KLASTER_KAFKA_SERVERS",
        "KLASTER_ADMIN_TOKEN",
        "KLASTER_LOG_LEVEL",
        "KLASTER_INSTANCE_ID",
        "KLASTER_INBOX_RETENTION_DAYS",
    ):
        monkeypatch.delenv(variable, raising=False)


def sentences(**given: object) -> str:
    with pytest.raises(SettingsError) as raised:
        PartnersSettings.load(**given)
    return "\n".join(raised.value.sentences)


def test_a_service_reads_its_own_prefix_and_the_platforms_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTNERS_DATABASE_URL", URL)
    monkeypatch.setenv("PARTNERS_HTTP_PORT", "9001")
    monkeypatch.setenv("KLASTER_KAFKA_SERVERS", "one:9092, two:9092")
    monkeypatch.setenv("KLASTER_LOG_LEVEL", "debug")
    settings = PartnersSettings.load()
    assert (settings.http_port, settings.kafka_servers, settings.log_level) == (9001, "one:9092,two:9092", LogLevel.DEBUG)


def test_defaults_suit_a_laptop() -> None:
    settings = PartnersSettings.load(database_url=URL)
    assert (settings.http_host, settings.http_port, settings.kafka_servers) == ("127.0.0.1", 8101, "127.0.0.1:9092")
    assert (settings.log_format, settings.instance_id, settings.admin_token) == (LogFormat.JSON, None, None)


@pytest.mark.parametrize("days", ["0", "-1", "3651", "two weeks"])
def test_the_inbox_keeps_ids_for_a_day_at_least_and_ten_years_at_most(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("KLASTER_INBOX_RETENTION_DAYS", days)
    assert sentences(database_url=URL).startswith("KLASTER_INBOX_RETENTION_DAYS cannot be used: it is days")


def test_a_missing_variable_is_named_with_the_way_out() -> None:
    assert sentences() == ("PARTNERS_DATABASE_URL is not set: it is the service's own database, as postgresql://USER:PASSWORD@HOST:PORT/DATABASE.")


def test_every_wrong_variable_is_named_at_once() -> None:
    said = sentences(database_url="mysql://x", http_port="many", kafka_servers="nowhere")
    assert [line.split(" ")[0] for line in said.splitlines()] == ["PARTNERS_DATABASE_URL", "PARTNERS_HTTP_PORT", "KLASTER_KAFKA_SERVERS"]


@pytest.mark.parametrize(
    "url", ["mysql://u:hidden@h/d", "postgresql://hidden", "postgresql://u:hidden@h", "postgresql://u:hidden@h:port/d", "hidden"]
)
def test_a_wrong_database_url_is_refused_without_being_repeated(url: str) -> None:
    said = sentences(database_url=url)
    assert said.startswith("PARTNERS_DATABASE_URL cannot be used")
    assert "hidden" not in said


def test_a_variable_that_is_set_to_nothing_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLASTER_ADMIN_TOKEN", "")
    assert PartnersSettings.load(database_url=URL).admin_token is None


def test_a_short_admin_token_is_refused() -> None:
    said = sentences(database_url=URL, admin_token="abc")
    assert said.startswith("KLASTER_ADMIN_TOKEN cannot be used")
    assert "abc" not in said


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_any_usual_scheme_becomes_the_drivers(scheme: str) -> None:
    settings = PartnersSettings.load(database_url=f"{scheme}://u:p@h/d")
    assert settings.database_url.get_secret_value() == "postgresql+asyncpg://u:p@h/d"


def test_what_is_logged_holds_no_secret() -> None:
    shown = PartnersSettings.load(database_url=URL, admin_token="0123456789abcdef-token").redacted()
    assert shown["PARTNERS_DATABASE_URL"] == "postgresql+asyncpg://***@db.example:6432/partners"
    assert "s3cret" not in str(shown)
    assert "token" not in shown["KLASTER_ADMIN_TOKEN"]


def test_settings_do_not_change_after_the_start() -> None:
    settings = PartnersSettings.load(database_url=URL)
    with pytest.raises(ValidationError):
        settings.http_port = 1  # type: ignore[misc]  # the assignment under test


def test_printing_the_settings_shows_no_secret() -> None:
    assert "s3cret" not in repr(PartnersSettings.load(database_url=URL))
