from io import StringIO

from rich.console import Console

from klaster_local.alerts import Alert
from klaster_local.status import PartStatus, StackStatus
from klaster_local.status_view import status_view

KAFKA = PartStatus(name="kafka", kind="engine", url="kafka://127.0.0.1:9092", state="running", pid=7, restarts=0, memory_mb=200.0, up_seconds=61)
BUDGET = PartStatus(name="budget", kind="service", url="http://127.0.0.1:8103", state="running", components=[{"component": "relay", "ok": False}])


def shown(status: StackStatus) -> str:
    out = StringIO()
    Console(file=out, width=150).print(status_view(status))
    return out.getvalue()


def test_a_stack_is_up_when_all_its_parts_are() -> None:
    assert StackStatus(supervised=True, parts=[KAFKA, BUDGET], alerts=[]).is_up
    assert not StackStatus(supervised=True, parts=[KAFKA, BUDGET.model_copy(update={"state": "paused"})], alerts=[]).is_up


def test_a_part_is_one_line_with_its_process_and_memory() -> None:
    (line,) = [line for line in shown(StackStatus(supervised=True, parts=[KAFKA], alerts=[])).splitlines() if line.startswith("kafka")]
    assert line.split() == ["kafka", "running", "7", "0", "200", "MB", "0:01:01", "kafka://127.0.0.1:9092"]


def test_a_component_that_is_not_well_is_named() -> None:
    assert "not well: relay" in shown(StackStatus(supervised=True, parts=[BUDGET], alerts=[]))


def test_alert_conditions_are_listed_with_what_is_the_case() -> None:
    alert = Alert(name="MessagesParked", service="budget", concerns="budget.events", text="1 messages parked: schema")
    assert "1 messages parked: schema" in shown(StackStatus(supervised=True, parts=[BUDGET], alerts=[alert]))


def test_where_nothing_runs_the_way_to_start_is_said() -> None:
    down = BUDGET.model_copy(update={"state": "down"})
    assert "klaster up" in shown(StackStatus(supervised=False, parts=[down], alerts=[]))
