"""`klaster-notifications restore`: what every service's command line has, and this one besides."""

from typing import Annotated, Any

import typer

from klaster_shared.origin import LOCAL_ACTOR
from klaster_shared.replay_commands import Actor, AsJson, DryRun, Meter, Prepare, Reason, Workshop, run, show

SendUnsettled = Annotated[
    bool,
    typer.Option("--send-unsettled", help="Also send what was queued and never reported sent. It may have been; by default it is held."),
]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Leave out deliveries whose cause the log does not hold any more.")]


def add_restore_command(cli: typer.Typer, command: str, prepare: Prepare) -> None:
    @cli.command("restore")
    def restore_command(
        *,
        send_unsettled: SendUnsettled = False,
        allow_missing: AllowMissing = False,
        dry_run: DryRun = False,
        reason: Reason = None,
        actor: Actor = LOCAL_ACTOR,
        as_json: AsJson = False,
    ) -> None:
        """Fill an empty store with the deliveries of the log; nobody is written to. In a restored store, --send-unsettled releases what was held."""
        from klaster_notifications.restoring.restore import Restore, is_empty, release_unsettled
        from klaster_shared.consuming.log_reading import KafkaLog
        from klaster_shared.consuming.log_spans import LogEdges

        async def work(workshop: Workshop) -> int:
            database, servers, clock = workshop.transactions.database, workshop.settings.kafka_servers, workshop.transactions.clock
            async with database.connect() as connection:
                if send_unsettled and not dry_run and not await is_empty(connection):
                    async with connection.transaction():
                        released = await release_unsettled(connection, clock.now(), actor=actor, reason=reason or "")
                    show({"released": released}, as_json=as_json)
                    return 0
            with Meter("restore") as meter:
                log = KafkaLog(servers, client_id="notifications.restore")
                restore = Restore(database, _letters(workshop), workshop.consumers, log, LogEdges(servers), clock=clock, progress=meter.show)
                done = await restore.run(
                    actor=actor, reason=reason or "", send_unsettled=send_unsettled, allow_missing=allow_missing, rehearsal=dry_run
                )
            show({"dry_run": dry_run} | done.as_json(), as_json=as_json)
            return 0

        run(command, prepare, work, reason_given=dry_run or bool(reason))


def _letters(workshop: Workshop) -> Any:
    return workshop.parts.letters
