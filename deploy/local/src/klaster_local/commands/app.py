"""All commands by name."""

import typer

from klaster_local.commands import carrying, mail, messages, parked, replaying, seeding, stack, verifying
from klaster_local.commands.doctor import doctor
from klaster_local.commands.outbox import outbox_app
from klaster_local.commands.topics import topics_app

app = typer.Typer(
    name="klaster",
    help="Runs Klaster on this machine, loads its seed, and looks into it while it runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (stack.up, stack.down, stack.restart, stack.status, seeding.seed, doctor):
    app.command()(command)
app.command("tail")(messages.show_tail)
app.add_typer(outbox_app, name="outbox")
carrying.add_to(parked.parked_app)
app.add_typer(parked.parked_app, name="parked")
app.add_typer(messages.positions_app, name="positions")
app.add_typer(topics_app, name="topics")
app.command()(mail.mail)
app.command()(verifying.verify)
app.command()(replaying.replay)
app.command()(replaying.rebuild)
app.command()(replaying.restore)
