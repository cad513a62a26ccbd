"""The simulated database says what PostgreSQL says: random scripts of the backbone's own statements, played on both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import zip_longest
from random import Random
from typing import Any

import asyncpg
import pytest

from klaster_shared.db.metadata import PLATFORM
from klaster_shared.testing.backbone import create_tables, empty_tables
from klaster_shared.testing.simulation.database import Connection, Server
from klaster_shared.testing.simulation.event_loop import Process, SimulatedLoop
from klaster_shared.testing.simulation.hazards import CALM, Hazards
from klaster_shared.testing.simulation.scripts import SESSIONS, Playing, Script

pytestmark = pytest.mark.engines

SCRIPTS = 40
VIRTUAL_SECONDS = 0.15
TABLES = ("outbox", "inbox", "consumer_position", "parked_gate", "parked_message", "operator_act")


@pytest.fixture(scope="module")
async def url(new_database: Callable[[], str]) -> str:
    url = new_database()
    await create_tables(url)
    return url


@pytest.fixture
async def connections(url: str) -> AsyncIterator[list[Any]]:
    """One for each session, and one to look with."""
    plain = url.replace("+asyncpg", "")
    opened = [await asyncpg.connect(plain) for _ in range(SESSIONS + 1)]
    yield opened
    for connection in opened:
        await connection.close()


def simulated(script: Script) -> tuple[Playing, dict[str, list[str]]]:
    loop = SimulatedLoop()
    server = Server(Hazards(Random(1), loop, CALM, until=0.0), PLATFORM)

    async def is_blocked(session: int, task: "asyncio.Task[str]") -> bool:
        await asyncio.sleep(VIRTUAL_SECONDS)
        return not task.done()

    async def play() -> Playing:
        process = Process("p", loop)
        playing = Playing([Connection(server, process) for _ in range(SESSIONS)], is_blocked, [])
        await playing.play(script)
        return playing

    playing = loop.run(play())
    left = {name: sorted(str(dict(sorted(r.values.items()))) for r in server.store.tables[name].rows.values() if r.values) for name in TABLES}
    return playing, left


async def on_postgresql(script: Script, connections: list[Any], url: str) -> tuple[Playing, dict[str, list[str]]]:
    *sessions, looking = connections
    await empty_tables(url)

    async def is_blocked(session: int, task: "asyncio.Task[str]") -> bool:
        while True:
            await asyncio.wait([task], timeout=0.005)
            if task.done():
                return False
            if await looking.fetchval("SELECT pg_blocking_pids($1)", sessions[session].get_server_pid()):
                return True

    playing = Playing(sessions, is_blocked, [])
    await playing.play(script)
    left = {}
    for name in TABLES:
        rows = await looking.fetch(f"SELECT * FROM {name}")  # noqa: S608 - names of our own
        left[name] = sorted(str(dict(sorted(row.items()))) for row in rows)
    return playing, left


def playable() -> list[tuple[int, Playing, dict[str, list[str]]]]:
    """Scripts in which never two sessions wait: the one that is chosen then is a matter of chance, and of the deadlock's victim."""
    found = []
    for seed in range(10 * SCRIPTS):
        playing, left = simulated(Script(seed))
        if playing.most_waiting <= 1 and not any("Deadlock" in line for line in playing.transcript):
            found.append((seed, playing, left))
        if len(found) == SCRIPTS:
            break
    return found


def first_difference(ours: list[str], theirs: list[str]) -> str:
    return next((f"simulated: {a}; PostgreSQL: {b}" for a, b in zip_longest(ours, theirs) if a != b), "none")


async def test_it_answers_waits_refuses_and_keeps_what_postgresql_does(connections: list[Any], url: str) -> None:
    scripts = await asyncio.to_thread(playable)
    assert len(scripts) == SCRIPTS
    for seed, simulation, left in scripts:
        real, really_left = await on_postgresql(Script(seed), connections, url)
        assert simulation.transcript == real.transcript, f"script {seed}: {first_difference(simulation.transcript, real.transcript)}"
        assert left == really_left, f"script {seed}"
    heard = "\n".join(line for _, simulation, _ in scripts for line in simulation.transcript)
    for what in ("waits", "open at once", "InFailedSQLTransactionError", "settle", "claim", "relay reads"):
        assert what in heard
