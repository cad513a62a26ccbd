from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from klaster_shared.settings import ServiceSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def services() -> tuple[str, ...]:
    return tuple(sorted(folder.name for folder in (ROOT / "services").iterdir() if (folder / "pyproject.toml").exists()))


@pytest.fixture(scope="session")
def settings_of() -> Callable[[str], type[ServiceSettings]]:
    """`settings_of("budget")` is the class of that service's settings."""

    @cache
    def declared(service: str) -> type[ServiceSettings]:
        there = vars(import_module(f"klaster_{service}.settings")).values()
        (settings,) = (each for each in there if isinstance(each, type) and issubclass(each, ServiceSettings) and each is not ServiceSettings)
        return settings

    return declared


@pytest.fixture(scope="session")
def alerts() -> dict[str, dict[str, Any]]:
    """Name → rule, as it stands in the file."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors resolved and its variables left as they are written."""
    described: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return described
