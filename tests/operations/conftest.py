from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


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
