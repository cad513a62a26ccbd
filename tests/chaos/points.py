"""Each named point of the code, armed in a process that gets there, while everything is at work."""

import asyncio
from collections.abc import Mapping
from typing import Final

from klaster_shared.crash_points import CrashPoint
from klaster_shared.testing.crashing import AT, EXIT_STATUS, LOG, crashes
from klaster_shared.testing.waiting import eventually
from tests.chaos.books import an_invoice, open_books
from tests.chaos.engines import until
from tests.chaos.load import a_grant
from tests.chaos.running import LONG, SHORT, Fault, Row, Run, Size
from tests.chaos.state import database_of

REACHED_SECONDS: Final = 180.0
ROUNDS: Final[tuple[Mapping[str, CrashPoint], ...]] = (
    {
        "partners": CrashPoint.AFTER_COMMIT,
        "events": CrashPoint.BEFORE_COMMIT,
        "budget": CrashPoint.AFTER_EFFECT_COMMIT,
        "notifications": CrashPoint.BEFORE_OFFSET_COMMIT,
    },
    {
        "partners": CrashPoint.AFTER_SEND,
        "events": CrashPoint.AFTER_HTTP_COMMIT,
        "budget": CrashPoint.AFTER_PARK_COMMIT,
        "notifications": CrashPoint.AFTER_CLAIM_COMMIT,
    },
    {
        "partners": CrashPoint.AFTER_OUTBOX_DELETE,
        "budget": CrashPoint.AFTER_UNPARK_COMMIT,
        "notifications": CrashPoint.AFTER_SMTP_ANSWER,
    },
)
"""What each service dies of, round by round. All die at once, each comes back as soon as it is dead: others may wait for it."""


class EveryPoint(Fault):
    """An injection is a round. It was reached when each process died where it was told to, and wrote that down first."""

    mix = "office"

    async def inject(self, run: Run, number: int) -> bool:
        points = ROUNDS[number % len(ROUNDS)]
        log = run.system.folder / f"{run.name}.crashes"
        before = len(crashes(log))
        async with asyncio.TaskGroup() as rounds:
            deaths = [rounds.create_task(self._dies(run, service, point)) for service, point in points.items()]
            if CrashPoint.AFTER_PARK_COMMIT in points.values() or CrashPoint.AFTER_UNPARK_COMMIT in points.values():
                rounds.create_task(self._parked_and_mended(run, f"{run.name}-{number}"))
        await run.system.at_work()
        written = {(crash.service, crash.point) for crash in crashes(log)[before:]}
        return all(death.result() for death in deaths) and written == {(f"klaster-{service}", point) for service, point in points.items()}

    async def _dies(self, run: Run, service: str, point: CrashPoint) -> bool:
        process = run.system.services[service]
        process.kill()
        process.begin(**{AT: point, LOG: str(run.system.folder / f"{run.name}.crashes")})
        await until(lambda: not process.running, what=f"{service} dying {point}", within=REACHED_SECONDS)
        status = process.exit_status
        process.begin()
        return status == EXIT_STATUS

    async def _parked_and_mended(self, run: Run, name: str) -> None:
        """An invoice on a grant that nobody knows yet: parked, and tried again until there is one."""
        given = a_grant(name)
        async with open_books(run.system.kafka_servers, run.ledger) as books:
            books.book(an_invoice(given["code"], name), key=name)
            await books.sent()
        async with database_of(run.system, "budget") as connection:

            async def parked() -> bool:
                return bool(await connection.fetchval("SELECT count(*) FROM parked_message WHERE key = $1", name.encode()))

            await eventually(parked, within=REACHED_SECONDS, what="an invoice parked")
        await run.clients.post("budget", "/v1/grants", given)


EVERY_POINT: Final = Row(
    id="POINTS",
    words="a process dies at each named point of the code",
    fault=EveryPoint,
    sizes={SHORT: Size(injections=len(ROUNDS), rate=3.0), LONG: Size(injections=20 * len(ROUNDS), rate=3.0)},
    invariants=["I1", "I2", "I3", "I4", "I5"],
)
