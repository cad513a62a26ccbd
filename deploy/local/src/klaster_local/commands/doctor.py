"""`klaster doctor`: looks at the machine before anything is started."""

from typing import Final

import typer
from rich.text import Text

from klaster_local.commands.output import AsJson, print_json, results
from klaster_local.configuration import Configuration
from klaster_local.diagnosis import Grade, findings

MARKS: Final = {Grade.GOOD: ("✓ ", "green"), Grade.NOTICE: ("· ", "yellow"), Grade.PROBLEM: ("✗ ", "red")}


def doctor(*, json: AsJson = False) -> None:
    """Check whether this machine can run Klaster. Exit code 1 when something stands in the way."""
    found = findings(Configuration.load())
    if json:
        print_json(found)
    else:
        console = results()
        for finding in found:
            console.print(Text.assemble(MARKS[finding.grade], f"{finding.subject:<14}", finding.text))
    if any(finding.grade is Grade.PROBLEM for finding in found):
        raise typer.Exit(1)
