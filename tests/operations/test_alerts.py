"""Every alert can be understood, found, and trusted: annotations, a page, and tests that it fires and that it does not."""

import re
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
SEVERITIES = {"critical", "warning"}

type Alerts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def rule_tests() -> list[dict[str, Any]]:
    return [test for file in sorted((PROMETHEUS / "tests").glob("*.yml")) for test in yaml.safe_load(file.read_text())["tests"]]


def firing_in(test: dict[str, Any]) -> set[str]:
    return {
        name
        for question in test["promql_expr_test"]
        for sample in question["exp_samples"]
        for name in re.findall(r'alertname="(\w+)"', sample["labels"])
    }


def series_of(test: dict[str, Any]) -> set[str]:
    return {series["series"].partition("{")[0] for series in test["input_series"]}


def metrics_of(expression: str) -> set[str]:
    found: set[str] = set()

    def note(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector) and node.name:
            found.add(node.name)

    promql.walk(promql.parse(expression), note)
    return found


def test_every_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(alerts: Alerts) -> None:
    for name, rule in alerts.items():
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name
        assert rule["labels"]["severity"] in SEVERITIES, name
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
        assert (ROOT / rule["annotations"]["runbook_url"]).is_file(), name


def test_annotations_speak_of_labels_that_the_alert_has(alerts: Alerts) -> None:
    """A misspelt label is an empty word in the message at three in the morning."""
    for name, rule in alerts.items():
        grouped = {label for labels in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for label in labels.split(", ")} - {"le"}
        said = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert said <= (grouped or {"job", "instance"}), name


def test_every_alert_is_tested_to_fire(alerts: Alerts, rule_tests: list[dict[str, Any]]) -> None:
    assert set().union(*(firing_in(test) for test in rule_tests)) == alerts.keys()


def test_every_alert_is_tested_not_to_fire_on_what_it_looks_at(alerts: Alerts, rule_tests: list[dict[str, Any]]) -> None:
    silent = {
        name
        for name, rule in alerts.items()
        for test in rule_tests
        if test["name"].startswith(f"{name}: not") and metrics_of(rule["expr"]) <= series_of(test) and not firing_in(test)
    }
    assert silent == alerts.keys()


def test_prometheus_scrapes_every_service_on_the_port_it_listens_on(alerts: Alerts, compose: dict[str, Any], services: tuple[str, ...]) -> None:
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: target for job in scraped for group in job["static_configs"] for target in group["targets"]}
    assert targets.keys() == set(services)
    for service, target in targets.items():
        assert target == f"{service}:{compose['services'][service]['ports'][0].rpartition(':')[2]}"
    watched = re.search(r'job=~"([^"]*)"', alerts["ServiceDown"]["expr"])
    assert watched is not None
    assert set(watched[1].split("|")) == set(services)


def test_the_command_calls_conditions_by_the_names_of_the_alerts(alerts: Alerts) -> None:
    from klaster_local import alerts as on_one_machine

    assert on_one_machine._CONDITIONS.keys() <= alerts.keys()
