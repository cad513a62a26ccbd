"""Prometheus' own judgement of its configuration, the rules and their tests."""

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ContainerError

PROMETHEUS = Path(__file__).parents[2] / "deploy/prometheus"
INSIDE = "/etc/prometheus"

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def image(compose: dict[str, Any]) -> str:
    """The Prometheus that the stack runs."""
    return str(compose["services"]["prometheus"]["image"])


def promtool(image: str, configuration: Path, *words: str) -> str:
    """What promtool prints. Raises ContainerError when it is not content."""
    with closing(docker.from_env()) as engine:
        printed: bytes = engine.containers.run(
            image,
            list(words),
            entrypoint="promtool",
            volumes={str(configuration): {"bind": INSIDE, "mode": "ro"}},
            network_mode="none",
            remove=True,
            stderr=True,
        )
    return printed.decode()


def rule_tests(configuration: Path) -> list[str]:
    return [f"{INSIDE}/tests/{file.name}" for file in sorted((configuration / "tests").glob("*.yml"))]


def test_the_configuration_is_accepted(image: str) -> None:
    assert "SUCCESS" in promtool(image, PROMETHEUS, "check", "config", f"{INSIDE}/prometheus.yml")


def test_every_rule_fires_when_it_shall_and_only_then(image: str) -> None:
    assert "FAILED" not in promtool(image, PROMETHEUS, "test", "rules", *rule_tests(PROMETHEUS))


@pytest.mark.parametrize(("right", "wrong"), [("for: 1m", "for: 0s"), ("_age_seconds) > 60", "_age_seconds) > 6000")])
def test_the_tests_notice_a_rule_that_is_wrong(image: str, tmp_path: Path, right: str, wrong: str) -> None:
    """Rules that do not wait, and a threshold that nothing reaches."""
    configuration = tmp_path / "prometheus"
    shutil.copytree(PROMETHEUS, configuration)
    rules = configuration / "alerts.yml"
    text = rules.read_text()
    assert right in text
    rules.write_text(text.replace(right, wrong))
    tmp_path.chmod(0o755)
    with pytest.raises(ContainerError, match="FAILED"):
        promtool(image, configuration, "test", "rules", *rule_tests(configuration))
