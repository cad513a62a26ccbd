"""Where `klaster replay`, `rebuild` and `restore` find the service, and what they say where they cannot."""

from pathlib import Path

import pytest

from klaster_local.commands.replaying import settings_of
from klaster_local.configuration import Configuration
from klaster_local.failures import CommandFailed

CHECKOUT = Path(__file__).parents[4]


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration.load({"KLASTER_CHECKOUT": str(CHECKOUT), "KLASTER_STATE_DIR": str(tmp_path)})


def test_where_nothing_runs_the_compose_command_is_named(configuration: Configuration) -> None:
    with pytest.raises(CommandFailed) as refused:
        settings_of("notifications", configuration, {}, words=("rebuild", "--consumer", "notifications.partners"))
    assert refused.value.details.endswith("docker compose exec notifications klaster-notifications rebuild --consumer notifications.partners")


def test_a_database_that_the_environment_names_is_enough(configuration: Configuration) -> None:
    named = {"NOTIFICATIONS_DATABASE_URL": "postgresql://somewhere/notifications"}
    assert "NOTIFICATIONS_DATABASE_URL" not in settings_of("notifications", configuration, named, words=("replay",))
