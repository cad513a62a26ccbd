from datetime import UTC, datetime
from pathlib import Path

import pytest

from klaster_local.configuration import Configuration, checkout_around
from klaster_local.failures import WrongUsage
from klaster_local.supervising.ownership import Ownership
from klaster_local.supervising.record import PartRecord, StackRecord


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "deploy" / "kafka").mkdir(parents=True)
    (tmp_path / "deploy" / "kafka" / "topics.yaml").touch()
    return tmp_path


def test_without_any_setting_everything_is_where_the_documents_say(checkout: Path) -> None:
    configuration = Configuration.load({}, directory=checkout)
    assert [configuration.url(name) for name in ("partners", "notifications")] == ["http://127.0.0.1:8101", "http://127.0.0.1:8104"]
    assert configuration.kafka_servers == "127.0.0.1:9092"
    assert configuration.state == checkout.resolve() / ".klaster"


def test_the_checkout_is_found_from_a_folder_inside_it(checkout: Path) -> None:
    inside = checkout / "services" / "events"
    inside.mkdir(parents=True)
    assert checkout_around(inside) == checkout.resolve()
    assert Configuration.load({}, directory=inside).root == checkout.resolve()


def test_outside_a_checkout_the_folder_itself_is_used(tmp_path: Path) -> None:
    assert checkout_around(tmp_path) == tmp_path.resolve()


def test_the_environment_wins_over_the_file(checkout: Path) -> None:
    (checkout / ".env").write_text("PARTNERS_HTTP_PORT=9001\nEVENTS_HTTP_PORT=9002\n")
    configuration = Configuration.load({"EVENTS_HTTP_PORT": "9100"}, directory=checkout)
    assert (configuration.http_port("partners"), configuration.http_port("events")) == (9001, 9100)


def test_an_empty_variable_is_no_setting(checkout: Path) -> None:
    assert Configuration.load({"KLASTER_KAFKA_PORT": ""}, directory=checkout).kafka_port == 9092


@pytest.mark.parametrize("value", ["0", "65536", "many"])
def test_a_port_that_is_none_is_named_and_not_repeated(checkout: Path, value: str) -> None:
    with pytest.raises(WrongUsage, match=r"^KLASTER_SMTP_PORT cannot be used: it has to be a port number from 1 to 65535\.$"):
        Configuration.load({"KLASTER_SMTP_PORT": value}, directory=checkout)


def test_services_elsewhere_are_reached_by_their_address(checkout: Path) -> None:
    configuration = Configuration.load({"KLASTER_BUDGET_URL": "https://budget.example.org/"}, directory=checkout)
    assert configuration.url("budget") == "https://budget.example.org"


def test_the_stack_of_this_machine_is_reached_whatever_else_is_configured(checkout: Path) -> None:
    given = {"KLASTER_BUDGET_URL": "https://budget.example.org", "KLASTER_KAFKA_SERVERS": "kafka.example.org:9092"}
    configuration = Configuration.load(given, directory=checkout).embedded()
    assert (configuration.url("budget"), configuration.kafka_servers) == ("http://127.0.0.1:8103", "127.0.0.1:9092")


def test_the_token_is_not_shown(checkout: Path) -> None:
    configuration = Configuration.load({"KLASTER_ADMIN_TOKEN": "very-secret-indeed"}, directory=checkout)
    assert "very-secret" not in repr(configuration)


def test_while_a_stack_runs_its_ports_are_those_it_was_started_with(checkout: Path) -> None:
    given, state = {"EVENTS_HTTP_PORT": "9100", "KLASTER_EVENTS_URL": "https://events.example.org"}, checkout / ".klaster"
    parts = [
        PartRecord(name="events", kind="service", url="http://127.0.0.1:9200"),
        PartRecord(name="kafka", kind="engine", url="kafka://127.0.0.1:9300"),
    ]
    with Ownership(state):
        StackRecord(supervisor=1, started_at=datetime.now(UTC), parts=parts).write(state)
        running = Configuration.load(given, directory=checkout)
        assert (running.http_port("events"), running.kafka_servers, running.http_port("budget")) == (9200, "127.0.0.1:9300", 8103)
        assert running.url("events") == "https://events.example.org"
    assert Configuration.load(given, directory=checkout).http_port("events") == 9100
