"""The pool and the unit of work on a real PostgreSQL: what is lent, what is refused, what is left behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from klaster_shared.clock import SystemClock
from klaster_shared.db import engine
from klaster_shared.db.engine import Database, DatabaseAway, TooBusy
from klaster_shared.db.unit_of_work import TransactionAborted, Transactions, UnitOfWork
from klaster_shared.embedded.ports import free_port
from klaster_shared.testing.backbone import an_origin

pytestmark = pytest.mark.engines


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, name="test", pool_size=2)
    yield made
    await made.dispose()


@pytest.fixture
def transactions(database: Database) -> Transactions[UnitOfWork]:
    return Transactions(database, UnitOfWork, clock=SystemClock(), wake=lambda: None)


async def test_a_pool_in_use_answers_too_busy_and_not_with_a_defect(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database._engine.pool, "_timeout", 0.2)
    async with database.connect(), database.connect():
        with pytest.raises(TooBusy):
            await use(database)
    await use(database)


async def test_a_database_that_is_not_there_is_named_in_one_sentence() -> None:
    away = Database(f"postgresql+asyncpg://u:secret@127.0.0.1:{free_port()}/x", name="partners")
    with pytest.raises(DatabaseAway) as failure:
        await use(away)
    assert "partners" in str(failure.value)
    assert "secret" not in str(failure.value)
    assert not await away.answers()


async def test_a_server_that_refuses_the_connection_is_a_database_away(database_url: str) -> None:
    refused = Database(make_url(database_url).set(password="wrong").render_as_string(hide_password=False), name="partners")
    with pytest.raises(DatabaseAway) as failure:
        await use(refused)
    assert "wrong" not in str(failure.value)


async def test_connections_killed_in_the_pool_are_replaced_unnoticed(database: Database) -> None:
    async with database.connect() as one, database.connect() as two:
        victim = await two.fetchval("SELECT pg_backend_pid()")
        await one.execute("SELECT 1")
    async with database.connect() as killer:
        if await killer.fetchval("SELECT pg_backend_pid()") != victim:
            await killer.execute(f"SELECT pg_terminate_backend({victim})")
    for _ in range(4):
        await use(database)


async def test_an_exception_rolls_back_and_the_connection_is_clean(transactions: Transactions[UnitOfWork]) -> None:
    async with transactions.begin(an_origin()) as work:
        await work.connection.execute("CREATE TABLE kept (n int)")
    with pytest.raises(ZeroDivisionError):
        await insert_and_fail(transactions)
    async with transactions.begin(an_origin()) as work:
        assert await work.connection.fetchval("SELECT count(*) FROM kept") == 0


async def test_a_cancelled_unit_of_work_leaves_no_transaction_open(transactions: Transactions[UnitOfWork]) -> None:
    async def hang() -> None:
        async with transactions.begin(an_origin()) as work:
            await work.connection.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(hang())
    await asyncio.sleep(0)  # lets the task begin; when it is cancelled is of no importance
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with transactions.begin(an_origin()) as work:
        assert await work.connection.fetchval("SELECT 1") == 1


async def test_an_error_that_was_swallowed_inside_fails_the_commit(transactions: Transactions[UnitOfWork]) -> None:
    with pytest.raises(TransactionAborted):
        await swallow(transactions)


async def use(database: Database) -> None:
    async with database.connect() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def insert_and_fail(transactions: Transactions[Any]) -> None:
    async with transactions.begin(an_origin()) as work:
        await work.connection.execute("INSERT INTO kept VALUES (1)")
        raise ZeroDivisionError


async def swallow(transactions: Transactions[Any]) -> None:
    async with transactions.begin(an_origin()) as work:
        try:
            await work.connection.execute("SELECT 1 / 0")
        except asyncpg.DivisionByZeroError:
            return


def test_limits_are_below_those_of_the_edge() -> None:
    """A request that waits for a connection is answered before a proxy gives up on it (commonly after 30 s)."""
    assert engine.CONNECT_SECONDS + engine.POOL_SECONDS < 30
