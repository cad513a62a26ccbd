"""What a look of the relay at its outbox costs under dead rows, with the floor and without: `pytest -s tests/benchmarks/relay_floor.py`.

An old snapshot is open somewhere (a dump, a long report), so nothing that was published since can be cleaned away. Both looks are
taken in turn, in the same run; what counts is their ratio.
"""

import time
from collections.abc import AsyncIterator, Callable

import pytest

from klaster_shared.db.engine import Connection, Database
from klaster_shared.outbox import floor, relay
from klaster_shared.outbox.floor import NO_FLOOR, Floor
from klaster_shared.testing.backbone import create_tables

pytestmark = pytest.mark.engines

DEAD_ROWS = 200_000
LOOKS = 100


@pytest.fixture
async def database(new_database: Callable[[], str]) -> AsyncIterator[Database]:
    url = new_database()
    await create_tables(url)
    database = Database(url, name="benchmark")
    yield database
    await database.dispose()


async def test_a_look_at_an_empty_outbox_under_dead_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "RISE_SECONDS", 0.0)
    async with database.connect() as connection, database.connect() as old:
        await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await old.fetchval("SELECT count(*) FROM outbox")
        await connection.execute(
            "INSERT INTO outbox (message_id, topic, key, type, headers, payload, recorded_at)"
            " SELECT gen_random_uuid(), 't', (n % 1000)::text, 't', '[]', '{}', now() FROM generate_series(1, $1) n",
            DEAD_ROWS,
        )
        await connection.execute("DELETE FROM outbox")
        await connection.execute("VACUUM ANALYZE outbox")
        proved = Floor()
        for _ in range(4):
            await proved.rise(connection)
        assert proved.id == DEAD_ROWS
        without, with_floor = [], []
        for _ in range(LOOKS):
            without.append(await _look(connection, NO_FLOOR))
            with_floor.append(await _look(connection, proved.id))
        await old.execute("ROLLBACK")
    slow, fast = min(without), min(with_floor)  # the machine has other things to do as well
    print(f"\n{DEAD_ROWS} dead rows: {slow * 1000:.2f} ms without a floor, {fast * 1000:.2f} ms with one, ratio {slow / fast:.0f}")  # noqa: T201


async def _look(connection: Connection, above: int) -> float:
    begun = time.perf_counter()
    await relay._SELECT.fetch(connection, rows=relay.BATCH_ROWS, floor=above)
    return time.perf_counter() - begun
