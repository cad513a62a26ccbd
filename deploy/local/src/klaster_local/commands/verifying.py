"""`klaster verify`: whether the guarantees hold in the stack that runs, by an independent look at what it keeps."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from klaster_local.commands.output import AsJson, print_json, progress, results
from klaster_local.configuration import Configuration
from klaster_local.verifying import CannotLook, Places, Report
from klaster_local.verifying import verify as look_once
from klaster_local.verifying.running import places_of
from klaster_local.verifying.verifying import INBOX_DAYS, WAITING_SECONDS, Told
from klaster_local.verifying.view import report_view

LOOK_SECONDS: Final = 2.0
FINDINGS, CANNOT_LOOK = 1, 2


def verify(
    *,
    wait: Annotated[float, typer.Option(min=0, help="Look again until nothing is found, for at most so many seconds.")] = 0.0,
    waiting: Annotated[float, typer.Option(min=0, help="What waits for longer than so many seconds is stuck.")] = WAITING_SECONDS,
    inbox_days: Annotated[float, typer.Option(min=0, help="How many days inboxes keep a message; older ones are not asked for.")] = INBOX_DAYS,
    ledger: Annotated[Path | None, typer.Option(help="A record of commands and their answers (JSON lines), as the chaos suite writes it.")] = None,
    json: AsJson = False,
) -> None:
    """Check databases, log and mails against each other: what is lost, duplicated, reordered, stuck, or unexplained.

    It only reads, and shares no code with what it judges. Exit code 0 without findings, 1 with some, 2 when something cannot be read.
    """
    console = progress(json=json)
    try:
        places = places_of(Configuration.load())
        with console.status("looking") as shown:
            report = asyncio.run(_until_clean(places, ledger, waiting, inbox_days, wait, told=shown.update))
    except CannotLook as error:
        progress(json=True).print(error.message, style="red", markup=False)
        raise typer.Exit(CANNOT_LOOK) from None
    if json:
        print_json(report.as_json())
    else:
        results().print(report_view(report))
    if not report.clean:
        raise typer.Exit(FINDINGS)


async def _until_clean(places: Places, ledger: Path | None, waiting: float, inbox_days: float, wait: float, *, told: Told) -> Report:
    deadline = time.monotonic() + wait
    while True:
        report = await look_once(places, ledger=ledger, waiting=waiting, inbox_days=inbox_days, told=told)
        left = deadline - time.monotonic()
        if report.clean or left <= 0:
            return report
        told(f"{len(report.findings)} findings; looking again for {left:.0f} s")
        await asyncio.sleep(min(LOOK_SECONDS, left))
