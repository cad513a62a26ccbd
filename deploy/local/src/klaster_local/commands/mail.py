"""`klaster mail`: what the services have sent, as far as the local mail sink took it."""

from typing import Annotated

import typer

from klaster_local.commands.output import AsJson, print_json, results
from klaster_local.configuration import Configuration
from klaster_local.failures import CommandFailed
from klaster_local.mails import mails, read, text_of
from klaster_local.tables import cut, table


def mail(
    number: Annotated[int | None, typer.Argument(min=1, help="Show this mail instead of the list.")] = None,
    *,
    to: Annotated[str | None, typer.Option(help="Only to addresses that contain this.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many, the newest last.")] = 20,
    json: AsJson = False,
) -> None:
    """List the mails in the sink, or show one."""
    directory = Configuration.load().state / "mail"
    if number is not None:
        file = directory / f"{number:06}.eml"
        if not file.exists():
            raise CommandFailed(f"There is no mail {number} in {directory}.")
        message = read(file)
        console = results()
        for name in ("From", "To", "Subject"):
            console.print(f"{name}: {message[name]}", markup=False)
        console.print(f"\n{text_of(message)}", markup=False)
        return
    found = list(mails(directory, to=to))
    if json:
        print_json(found)
        return
    listed = table(f"{len(found)} mails in {directory}", "number", "received", "to", "subject", "with", right=("number",), yielding=("subject",))
    for each in found[-last:]:
        received = f"{each.received_at.astimezone():%Y-%m-%d %H:%M:%S}"
        listed.add_row(str(int(each.file.stem)), received, each.recipient, cut(each.subject), ", ".join(each.attachments))
    results().print(listed)
