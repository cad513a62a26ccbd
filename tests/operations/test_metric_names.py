"""Alerts, dashboard, runbooks and the `klaster` command name metrics; a name that nobody exports makes them blind without a word.

The names come from the registries that the services themselves build, FastStream's among them, and never from a list kept here. The way out of
a complaint: name what is exported, or export what is named (`klaster_shared.observability.metrics`, or the service's `metrics.py`).
"""

import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from prometheus_client import CollectorRegistry

from klaster_notifications.domain.delivery import Status
from klaster_notifications.domain.dispatch import Verdict
from klaster_shared.consuming.chunk import Outcome
from klaster_shared.observability.metrics import exported_names
from klaster_shared.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
NOWHERE = "postgresql://nobody@localhost/nothing"
BY_SCRAPING = {"job", "instance"}
BY_PROMETHEUS = {"up": set[str](), "ALERTS": {"alertname", "alertstate"}}
PACKAGES = ("klaster_shared", "klaster_local")

type Exported = dict[str, set[str]]
"""Series → the labels it has."""


@pytest.fixture(scope="session")
def exported_by(services: tuple[str, ...], settings_of: Callable[[str], type[ServiceSettings]]) -> dict[str, Exported]:
    """Service → what it exports, by the registry of its own composition root; nothing is opened for it."""
    registries = {
        service: import_module(f"klaster_{service}.bootstrap").build(settings_of(service).load(database_url=NOWHERE)).metrics.registry
        for service in services
    }
    return {service: series_of(registry) for service, registry in registries.items()}


@pytest.fixture(scope="session")
def exported(exported_by: dict[str, Exported]) -> Exported:
    union: Exported = {name: set(labels) for name, labels in BY_PROMETHEUS.items()}
    for series in exported_by.values():
        for name, labels in series.items():
            union.setdefault(name, set()).update(labels)
    return union


def series_of(registry: CollectorRegistry) -> Exported:
    series: Exported = {name: set() for name in exported_names(registry)}
    for collector, names in registry._collector_to_names.items():
        for name in series.keys() & set(names):
            series[name] |= set(getattr(collector, "_labelnames", ()))
            series[name] |= {"le"} if name.endswith("_bucket") else set()
    return series


def parsed(expression: str) -> promql.Expr:
    """Grafana's variables become what they may stand for."""
    return promql.parse(expression.replace("$__rate_interval", "5m"))


def nodes(expression: promql.Expr) -> list[promql.Expr]:
    found: list[promql.Expr] = []
    promql.walk(expression, found.append)
    return found


def selectors(expression: promql.Expr) -> list[promql.VectorSelector]:
    return [node for node in nodes(expression) if isinstance(node, promql.VectorSelector)]


def groupings(expression: promql.Expr) -> Iterator[tuple[promql.Expr, list[str]]]:
    """Each `by (…)` and `on (…)` with the part of the expression that has to have those labels."""
    for node in nodes(expression):
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            yield node.expr, node.modifier.labels
        if isinstance(node, promql.BinaryExpr) and node.modifier is not None and node.modifier.matching is not None:
            yield node.lhs, node.modifier.matching.labels
            yield node.rhs, node.modifier.matching.labels


def complaints(expression: str, known: Exported) -> Iterator[str]:
    """What `expression` names and nobody exports: series, labels it filters on, labels it groups by."""
    root = parsed(expression)
    for selector in selectors(root):
        if selector.name not in known:
            yield f"{selector.name} is exported by nobody"
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in known[selector.name] | BY_SCRAPING:
                yield f"{selector.name} has no label {matcher.name}"
    for part, labels in groupings(root):
        there = set().union(*(known.get(selector.name or "", set()) for selector in selectors(part)))
        yield from (f"nothing in {part.prettify()} has a label {label}" for label in labels if label not in there | BY_SCRAPING)


def expressions_of_dashboard() -> list[str]:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/klaster.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())] + [
        annotation["expr"] for annotation in dashboard["annotations"]["list"]
    ]


def test_every_service_exports_the_platforms_metrics(exported_by: dict[str, Exported]) -> None:
    platform = {"klaster_outbox_pending", "klaster_http_requests_total", "klaster_build_info", "process_resident_memory_bytes"}
    assert [service for service, series in exported_by.items() if not platform <= series.keys()] == []


def test_alerts_name_only_what_is_exported(alerts: dict[str, dict[str, Any]], exported: Exported) -> None:
    assert [f"{name}: {complaint}" for name, rule in alerts.items() for complaint in complaints(rule["expr"], exported)] == []


def test_the_dashboard_names_only_what_is_exported(exported: Exported) -> None:
    assert [complaint for expression in expressions_of_dashboard() for complaint in complaints(expression, exported)] == []


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("max(klaster_outbox_oldest_age) > 60", "klaster_outbox_oldest_age is exported by nobody"),
        ('rate(klaster_outbox_published_total{partition="1"}[5m])', "klaster_outbox_published_total has no label partition"),
        ("sum by (job, group) (klaster_consumer_lag_messages)", "nothing in klaster_consumer_lag_messages has a label group"),
        ("up and on (saga) klaster_saga_open", "nothing in up has a label saga"),
        ("histogram_quantile(0.9, sum by (le) (klaster_http_request_seconds_count))", "nothing in klaster_http_request_seconds_count has a label le"),
    ],
)
def test_a_wrong_name_is_found(exported: Exported, expression: str, complaint: str) -> None:
    assert list(complaints(expression, exported)) == [complaint]


def words_expected(expression: str, label: str, *, of: str = "") -> set[str]:
    """The words that an expression expects in a label."""
    return {
        matcher.value
        for selector in selectors(parsed(expression))
        for matcher in selector.matchers.matchers
        if matcher.name == label and (selector.name or "").startswith(of)
    }


@pytest.mark.parametrize(
    ("metric", "label", "words"),
    [
        ("klaster_consumer_handled_total", "outcome", set(Outcome)),
        ("klaster_notifications_deliveries", "status", set(Status)),
        ("klaster_notifications_send_attempts_total", "verdict", set(Verdict)),
    ],
)
def test_alerts_wait_for_words_that_are_used(alerts: dict[str, dict[str, Any]], metric: str, label: str, words: set[str]) -> None:
    expected = set().union(*(words_expected(rule["expr"], label, of=metric) for rule in alerts.values()))
    assert expected <= words


def quoted_in_code(text: str) -> set[str]:
    return {name for name in re.findall(r'"(klaster_[a-z_]+)"', text) if not name.startswith(PACKAGES)}


def named_in_prose(text: str) -> set[str]:
    return {name for name in re.findall(r"`(klaster_[a-z_]+)(?:\{[^`]*\})?`", text) if not name.startswith(PACKAGES)}


@pytest.mark.parametrize(("folder", "pattern", "names"), [("docs/runbooks", "*.md", named_in_prose), ("deploy/local/src", "*.py", quoted_in_code)])
def test_metrics_named_elsewhere_are_exported(exported: Exported, folder: str, pattern: str, names: Callable[[str], set[str]]) -> None:
    """Prose may name a histogram by its family."""
    known = exported.keys() | {name.removesuffix("_bucket") for name in exported if name.endswith("_bucket")}
    assert {f"{page.name}: {name}" for page in (ROOT / folder).rglob(pattern) for name in names(page.read_text()) - known} == set()
