"""The dashboard as Grafana imports it, and as one reads it: every panel says what it shows, in a unit, without hiding another."""

import json
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "deploy/grafana/dashboards/klaster.json"


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FILE.read_text())
    return read


@pytest.fixture(scope="module")
def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_it_is_the_one_dashboard_and_belongs_to_no_data_source(dashboard: dict[str, Any]) -> None:
    assert [file.name for file in FILE.parent.iterdir()] == ["klaster.json"]
    assert dashboard["uid"] == "klaster"
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"datasource", "service"}
    assert "id" not in dashboard


def test_every_panel_has_an_id_a_title_a_unit_and_questions(dashboard: dict[str, Any], panels: list[dict[str, Any]]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in dashboard["panels"]]
    assert len(titles) == len(set(titles))
    for panel in panels:
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} == {"${datasource}"}, panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), panel["title"]


def test_no_panel_covers_another(dashboard: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"]


def test_every_alert_it_speaks_of_is_there(panels: list[dict[str, Any]], alerts: dict[str, Any]) -> None:
    named = {
        word.strip(",.")
        for panel in panels
        for _, _, rest in [panel.get("description", "").partition("Alert")]
        for word in rest.replace("s:", "").split()
        if word.strip(",.")[:1].isupper()
    }
    assert named
    assert named <= alerts.keys() | {"Alerts"}
