from io import StringIO

from rich.console import Console

from klaster_local.verifying.findings import Category, Finding, Report
from klaster_local.verifying.view import report_view

LOST = Finding(category=Category.LOST, check="passed-over", place="budget.events", subject="message 7", detail="events.event.v1/0 at 3")


def shown(report: Report) -> str:
    written = StringIO()
    Console(width=200, file=written).print(report_view(report))
    return written.getvalue()


def test_a_report_without_findings_is_clean() -> None:
    report = Report(findings=(), looked_at={"budget": 3}, counts={"messages": 3})
    assert report.clean
    assert shown(report).strip().endswith("Clean: nothing lost, duplicated, reordered, stuck or unexplained.")


def test_figures_are_by_category_and_by_place() -> None:
    document = Report(findings=(LOST, LOST), looked_at={"budget.events": 9}).as_json()
    assert document["figures"] == {"lost": 2, "duplicated": 0, "reordered": 0, "stuck": 0, "unexplained": 0}
    assert document["places"] == {"budget.events": {"looked_at": 9, "lost": 2, "duplicated": 0, "reordered": 0, "stuck": 0, "unexplained": 0}}


def test_a_finding_is_shown_with_its_place_even_where_nothing_was_looked_at() -> None:
    lines = shown(Report(findings=(LOST,))).splitlines()
    assert any(line.startswith("budget.events") for line in lines)
    assert any("passed-over" in line and "events.event.v1/0 at 3" in line for line in lines)


def test_a_long_list_is_cut_and_says_so() -> None:
    assert "… and 10 more; --json shows all." in shown(Report(findings=(LOST,) * 60))
