"""The status as people read it."""

from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from klaster_local.status import PartStatus, StackStatus
from klaster_local.tables import table

STYLES = {"running": "green", "ready": "green", "starting": "yellow", "waiting": "yellow", "paused": "red", "unready": "red", "down": "red"}


def status_view(status: StackStatus) -> RenderableType:
    if not status.supervised and not any(part.is_up for part in status.parts):
        return Text("Nothing is running here; `klaster up` starts the stack.")
    return Group(_parts(status), *_alerts(status))


def _parts(status: StackStatus) -> RenderableType:
    right = ("pid", "restarts", "memory", "up")
    found = table("", "part", "state", *right, "address", "", right=right, yielding=("",))
    for part in status.parts:
        found.add_row(part.name, Text(part.state, STYLES.get(part.state, "")), *_figures(part), part.url, Text(_words(part), "dim"))
    total = sum(part.memory_mb or 0 for part in status.parts)
    if total:
        found.add_row("", "", "", "", f"{total:.0f} MB", style="dim")
    return found


def _figures(part: PartStatus) -> tuple[str, str, str, str]:
    return (
        str(part.pid or ""),
        "" if part.restarts is None else str(part.restarts),
        "" if part.memory_mb is None else f"{part.memory_mb:.0f} MB",
        "" if part.up_seconds is None else str(timedelta(seconds=part.up_seconds)),
    )


def _words(part: PartStatus) -> str:
    unwell = [str(component["component"]) for component in part.components if not component.get("ok", True)]
    return "; ".join(word for word in (part.note, f"not well: {', '.join(unwell)}" if unwell else "") if word)


def _alerts(status: StackStatus) -> list[RenderableType]:
    if not status.alerts:
        return [Text("No alert condition holds.", "green")]
    found = table("\nAlert conditions", "alert", "service", "concerns", "what is the case", yielding=("what is the case",))
    for alert in status.alerts:
        found.add_row(Text(alert.name, "red"), alert.service, alert.concerns, alert.text)
    return [found]
