"""All commands by name."""

import typer

from klaster_local.commands import stack

app = typer.Typer(
    name="klaster",
    help="Runs Klaster on this machine, loads its seed, and looks into it while it runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (stack.up, stack.down, stack.restart, stack.status):
    app.command()(command)
