"""How many statements a command and a chunk cost. Time is the machine's; the number of round trips is ours, and it must not creep up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared.consuming.runner import CHUNK_RECORDS
from klaster_shared.db.engine import Connection, Database, DatabaseAway
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, a_record, names, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

DRIVERS_OWN = ("current_setting(", "set_config(", "pg_catalog", "pg_type")


@pytest.fixture
def statements(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement of the backbone's pool, without those by which the driver learns the types on a new connection."""
    seen: list[str] = []
    connect = backbone.database.connect

    def listen(record: Any) -> None:
        if not any(word in record.query for word in DRIVERS_OWN):
            seen.append(record.query)

    @asynccontextmanager
    async def listening() -> AsyncIterator[Connection]:
        async with connect() as connection:
            with connection.query_logger(listen):
                yield connection

    monkeypatch.setattr(backbone.database, "connect", listening)
    return seen


async def test_a_command_pays_one_statement_for_any_number_of_messages(backbone: Backbone, statements: list[str]) -> None:
    await backbone.record(*names(50), network=new_id())
    await asyncio.sleep(0)  # the driver tells of a statement in the loop's next round
    assert [statement.split()[0] for statement in statements] == ["BEGIN", "INSERT", "COMMIT"], statements


async def test_a_chunk_pays_six_statements_beside_those_of_its_handlers(
    backbone: Backbone, statements: list[str], producer: AIOKafkaProducer
) -> None:
    networks = [new_id() for _ in range(CHUNK_RECORDS)]
    async with running(backbone.consumer):
        await eventually(lambda: backbone.consumer.report()["partitions"] == 3, within=40, what="its partitions")
        statements.clear()
        await send(producer, backbone.topic, *[a_record("line", network) for network in networks])
        await eventually(lambda: backbone.handled("applied") == CHUNK_RECORDS, within=40, what="every message")
    chunks = statements.count("BEGIN")
    beside = [statement for statement in statements if "INSERT INTO ledger" not in statement and not only_looks_at_positions(statement)]
    assert len(statements) - len(beside) >= CHUNK_RECORDS
    assert len(beside) == chunks * 6, beside
    for what in ("FOR UPDATE OF consumer_position", "FOR KEY SHARE OF parked_gate", "INSERT INTO inbox", "UPDATE consumer_position", "COMMIT"):
        assert sum(what in statement for statement in beside) == chunks, what


def only_looks_at_positions(statement: str) -> bool:
    """The upkeep's question, every other second, whether an operator has set one."""
    return "FROM consumer_position" in statement and "FOR UPDATE" not in statement


async def test_a_parked_message_pays_nine_statements_beside_those_of_its_handler(
    backbone: Backbone, statements: list[str], producer: AIOKafkaProducer
) -> None:
    network = new_id()
    async with running(backbone.consumer):
        await send(producer, backbone.topic, a_record("refuse", network), *[a_record(name, network) for name in names(20)])
        await eventually(lambda: backbone.handled("parked") == 21, within=40, what="a queue")
    backbone.ledger.refusing = False
    head = (await backbone.office.listing(limit=1))[0]
    await backbone.office.retry(head.id, actor="operator")
    statements.clear()
    await backbone.unparker.attempt(head.id)
    assert backbone.handled("applied") == 21
    opening = 5  # of the gate, once: BEGIN, lock, look, DELETE, COMMIT
    assert len(statements) - opening - 21 <= 21 * 9


async def test_the_relay_connects_as_the_pool_does(backbone: Backbone, tables: str) -> None:
    """What the address says about encryption holds for both; the test's server has none to offer."""
    asked = Database(f"{tables}?ssl=require", name="test")
    ways: list[Callable[[], Awaitable[Any]]] = [asked.dedicated, lambda: use(asked)]
    for connect in ways:
        with pytest.raises(DatabaseAway):
            await connect()
    await asked.dispose()


async def use(database: Database) -> Any:
    async with database.connect() as connection:
        return connection
