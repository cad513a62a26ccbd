"""A report for people: one row per place, then what was found, then what is only worth knowing."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from klaster_local.tables import table
from klaster_local.verifying.findings import Category, Report, by_place_of

MOST_SHOWN = 50


def report_view(report: Report) -> Group:
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    names = [category.value for category in Category]
    figures = table("Guarantees", "place", "looked at", *names, right=("looked at", *names))
    by_place = by_place_of(report.findings)
    for place in [*report.looked_at, *(place for place in by_place if place not in report.looked_at)]:
        counted = by_place[place]
        figures.add_row(place, str(report.looked_at.get(place, "")), *(_figure(counted[category]) for category in Category))
    yield figures
    if report.findings:
        yield ""
        found = table("Findings", "what", "check", "place", "subject", "detail", yielding=("subject", "detail"))
        for finding in report.findings[:MOST_SHOWN]:
            found.add_row(finding.category.value, finding.check, finding.place, finding.subject, finding.detail)
        yield found
        if len(report.findings) > MOST_SHOWN:
            yield f"… and {len(report.findings) - MOST_SHOWN} more; --json shows all."
    yield ""
    yield ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in report.counts.items())
    yield from report.notes
    yield Text(
        "Clean: nothing lost, duplicated, reordered, stuck or unexplained." if report.clean else f"{len(report.findings)} findings.", style="bold"
    )


def _figure(number: int) -> Text:
    return Text(str(number), style="red" if number else "dim")
