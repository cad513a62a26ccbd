"""docker-compose.yml and .env.example, held to what they promise and to the settings that they feed."""

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from klaster_local.configuration import Configuration
from klaster_shared.lifecycle import STOP_SECONDS, Role
from klaster_shared.settings import ServiceSettings
from klaster_shared.testing import containers

ROOT = Path(__file__).parents[2]
SERVICES = ("partners", "events", "budget", "notifications")
REPLICAS = ("budget-consumers", "events-consumers", "notifications-consumers")
ONE_SHOTS = {"topics", *(f"{service}-migrate" for service in SERVICES)}
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")

type Compose = dict[str, Any]
type SettingsOf = Callable[[str], type[ServiceSettings]]


@pytest.fixture(scope="module")
def environment_example() -> dict[str, str]:
    """Variable → default, from the commented lines."""
    return dict(re.findall(r"^#(\w+)=(.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))


def variables(part: Any) -> Iterator[tuple[str, str]]:
    yield from VARIABLE.findall(str(part))


def adopted(compose: Compose) -> set[str]:
    """Parts whose successful end somebody waits for."""
    return {
        name
        for part in compose["services"].values()
        for name, wait in part.get("depends_on", {}).items()
        if wait["condition"] == "service_completed_successfully"
    }


def test_the_map_shows_every_part(compose: Compose) -> None:
    databases = {f"{service}-db" for service in SERVICES}
    assert compose["services"].keys() == {"kafka", "mailpit", "prometheus", *SERVICES, *databases, *ONE_SHOTS, *REPLICAS}


@pytest.mark.parametrize("replica", REPLICAS)
def test_a_replica_is_its_service_without_a_port_that_only_consumes_and_only_when_asked_for(compose: Compose, replica: str) -> None:
    service, part = compose["services"][replica.removesuffix("-consumers")], compose["services"][replica]
    assert (part["command"], part["profiles"], "ports" in part) == (["serve", "--only", "consumers"], ["replicas"], False)
    assert [part[name] for name in ("image", "environment", "healthcheck")] == [service[name] for name in ("image", "environment", "healthcheck")]


def test_every_service_that_consumes_has_replicas_that_prometheus_finds(compose: Compose) -> None:
    consuming = {service for service in SERVICES if Role.CONSUMERS in import_module(f"klaster_{service}.__main__").SERVICE.roles}
    assert {f"{service}-consumers" for service in consuming} == set(REPLICAS)
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    found = {name: job for job in scraped for each in job.get("dns_sd_configs", ()) for name in each["names"]}
    assert found.keys() == set(REPLICAS)
    for name, job in found.items():
        assert job["job_name"] == name.removesuffix("-consumers")
        assert job["static_configs"][0]["targets"] == [f"{job['job_name']}:{job['dns_sd_configs'][0]['port']}"]


def test_containers_are_granted_more_than_a_stop_takes(compose: Compose) -> None:
    for name in (*SERVICES, *REPLICAS):
        assert int(compose["services"][name]["stop_grace_period"].removesuffix("s")) > STOP_SECONDS, name


def test_what_runs_once_is_waited_for_and_not_restarted(compose: Compose) -> None:
    """Otherwise `docker compose up --wait` takes its end for a failure."""
    assert adopted(compose) == ONE_SHOTS
    assert {compose["services"][name]["restart"] for name in ONE_SHOTS} == {"no"}


def test_what_runs_on_is_restarted_and_says_whether_it_is_healthy(compose: Compose) -> None:
    for name in compose["services"].keys() - ONE_SHOTS:
        part = compose["services"][name]
        assert part["restart"] == "unless-stopped", name
        assert part["healthcheck"]["test"], name


def test_nothing_takes_all_memory(compose: Compose) -> None:
    assert [name for name, part in compose["services"].items() if "mem_limit" not in part] == []


def test_ports_are_published_on_the_loopback_interface_only(compose: Compose) -> None:
    published = [port for part in compose["services"].values() for port in part.get("ports", ())]
    assert published
    assert [port for port in published if not re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+", port)] == []


def test_images_of_others_are_pinned_and_the_same_that_the_tests_run_on(compose: Compose) -> None:
    images = {part["image"] for part in compose["services"].values() if not part["image"].startswith("klaster-")}
    assert all(re.search(r":v?\d", image) for image in images)
    assert {containers.POSTGRES, containers.KAFKA, containers.MAILPIT} <= images


def test_an_image_of_ours_is_built_once(compose: Compose) -> None:
    """Built for two parts, it gets two identities, and the next `up` replaces the containers of the first."""
    ours = [
        (part["image"], "build" in part, part.get("pull_policy")) for part in compose["services"].values() if part["image"].startswith("klaster-")
    ]
    assert sorted(image for image, is_built, _ in ours if is_built) == sorted({image for image, _, _ in ours})
    assert {(is_built, policy) for _, is_built, policy in ours} == {(True, "build"), (False, "never")}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_only_what_it_can_be_told(compose: Compose, settings_of: SettingsOf, service: str) -> None:
    settings = settings_of(service)
    known = {settings.variable(field) for field in settings.model_fields}
    for name in (service, f"{service}-migrate"):
        assert compose["services"][name]["environment"].keys() <= known, name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_what_it_is_told(compose: Compose, settings_of: SettingsOf, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in compose["services"][service]["environment"].items():
        monkeypatch.setenv(variable, VARIABLE.sub(lambda match: match[2], str(value)))
    settings = settings_of(service).load()
    assert compose["services"][service]["ports"][0].endswith(f":{settings.http_port}")


def test_the_example_names_every_variable_with_its_default(compose: Compose, environment_example: dict[str, str]) -> None:
    used = {name: default for part in compose["services"].values() for name, default in variables(part)}
    assert used.items() <= environment_example.items()


def test_the_example_names_no_variable_that_nobody_reads(compose: Compose, settings_of: SettingsOf, environment_example: dict[str, str]) -> None:
    composed = {name for part in compose["services"].values() for name, _ in variables(part)}
    read = composed | {Configuration.variable(field) for field in Configuration.model_fields}
    read |= {settings_of(service).variable(field) for service in SERVICES for field in settings_of(service).model_fields}
    assert environment_example.keys() - read == set()


def test_one_file_moves_a_service_with_and_without_containers(compose: Compose) -> None:
    defaults = {Configuration.variable(name): str(field.default) for name, field in Configuration.model_fields.items()}
    ports = dict(variables([compose["services"][service]["ports"] for service in SERVICES]))
    assert ports.items() <= defaults.items()
