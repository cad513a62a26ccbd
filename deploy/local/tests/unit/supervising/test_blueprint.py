from pathlib import Path
from types import SimpleNamespace

import pytest

from klaster_local.configuration import Configuration
from klaster_local.supervising.blueprint import Blueprint
from klaster_local.supervising.ownership import SECRETS_FILE
from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.postgres import PostgresAccess


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    (tmp_path / "state").mkdir()
    return Configuration.load({"KLASTER_CHECKOUT": str(tmp_path), "KLASTER_STATE_DIR": str(tmp_path / "state"), "BUDGET_HTTP_PORT": "9103"})


@pytest.fixture
def blueprint(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> Blueprint:
    made = Blueprint(configuration)
    monkeypatch.setattr(made, "postgres", SimpleNamespace(access=PostgresAccess("127.0.0.1", 5433, "superuser")))
    return made


def test_every_service_has_a_database_and_a_password_of_its_own(blueprint: Blueprint) -> None:
    databases = blueprint.databases()
    assert [each.database for each in databases] == ["partners", "events", "budget", "notifications"]
    assert len({each.password for each in databases}) == 4


def test_passwords_are_kept_from_start_to_start_and_from_others(blueprint: Blueprint, configuration: Configuration) -> None:
    first = blueprint.databases()
    assert Blueprint(configuration).databases() == first
    assert (configuration.state / SECRETS_FILE).stat().st_mode & 0o077 == 0


def test_a_service_is_told_its_addresses_by_its_environment(blueprint: Blueprint) -> None:
    told = blueprint.environment("budget")
    assert told["BUDGET_HTTP_PORT"] == "9103"
    assert told["BUDGET_DATABASE_URL"].startswith("postgresql+asyncpg://budget:")
    assert told["KLASTER_KAFKA_SERVERS"] == "127.0.0.1:9092"
    assert not [name for name in told if name.startswith(("EVENTS_", "PARTNERS_", "NOTIFICATIONS_"))]


def test_only_notifications_knows_the_mail_server(blueprint: Blueprint) -> None:
    assert blueprint.environment("notifications")["NOTIFICATIONS_SMTP_PORT"] == "1025"
    assert not [name for name in blueprint.environment("events") if "SMTP" in name]


def test_the_file_of_the_checkout_adds_settings_but_leads_no_service_away(blueprint: Blueprint, configuration: Configuration) -> None:
    (configuration.root / ".env").write_text("KLASTER_LOG_LEVEL=debug\nKLASTER_KAFKA_SERVERS=kafka.example.org:9092\n")
    told = blueprint.environment("partners")
    assert (told["KLASTER_LOG_LEVEL"], told["KLASTER_KAFKA_SERVERS"]) == ("debug", "127.0.0.1:9092")


def test_a_service_that_is_not_installed_is_named(blueprint: Blueprint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="klaster-events is not installed here"):
        blueprint.migration("events")
