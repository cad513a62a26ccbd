from pathlib import Path

import pytest

from klaster_local.commands.stack import require_usable_settings
from klaster_local.configuration import Configuration
from klaster_local.failures import WrongUsage
from klaster_local.settings_check import complaints

CHECKOUT = Path(__file__).parents[4]


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """Of a state folder that does not exist yet; the settings are those of the environment."""
    monkeypatch.delenv("KLASTER_LOG_LEVEL", raising=False)
    monkeypatch.delenv("KLASTER_ADMIN_TOKEN", raising=False)
    return Configuration.load({"KLASTER_CHECKOUT": str(CHECKOUT), "KLASTER_STATE_DIR": str(tmp_path / "state")})


def test_settings_that_every_service_can_use_raise_no_complaint(configuration: Configuration) -> None:
    assert complaints(configuration) == []


def test_what_a_service_cannot_use_is_found_before_anything_is_started(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLASTER_LOG_LEVEL", "loud")
    monkeypatch.setenv("KLASTER_ADMIN_TOKEN", "short")
    with pytest.raises(WrongUsage) as wrong:
        require_usable_settings(configuration)
    said = f"{wrong.value.message}\n{wrong.value.details}".splitlines()
    assert sorted(sentence.partition(" ")[0] for sentence in said) == ["KLASTER_ADMIN_TOKEN", "KLASTER_LOG_LEVEL"]
    assert not configuration.state.exists()
