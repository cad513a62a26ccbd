"""Questions that faults ask the engines directly, as an operator with psql would."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from klaster_local.endpoints import Json, LogEnds
from klaster_local.settling import behind
from tests.chaos.engines import System

CAUGHT_UP_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.1
CONNECT_SECONDS: Final = 60.0


@asynccontextmanager
async def database_of(system: System, service: str) -> AsyncIterator[Any]:
    """A connection straight to the service's database, past every proxy."""
    connection = await asyncpg.connect(system.databases[service].replace("postgresql+asyncpg", "postgresql"), timeout=CONNECT_SECONDS)
    try:
        yield connection
    finally:
        connection.terminate()


async def pending(system: System) -> int:
    """Messages in all outboxes."""
    return sum([await _value(system, service, "SELECT count(*) FROM outbox") for service in system.services])


async def _value(system: System, service: str, query: str) -> int:
    async with database_of(system, service) as connection:
        return int(await connection.fetchval(query) or 0)


async def _positions(system: System) -> Mapping[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for service in system.services:
        async with database_of(system, service) as connection:
            found[service] = [dict(row) for row in await connection.fetch("SELECT consumer, topic, partition, next_offset FROM consumer_position")]
    return found


async def caught_up(system: System) -> float:
    """Seconds until everything that was committed when this was called has been published and handled; what comes later is not waited for.

    Raises TimeoutError.
    """
    began = time.monotonic()
    marks = {service: await _value(system, service, "SELECT max(id) FROM outbox") for service in system.services}
    while any([await _first_pending(system, service) <= mark for service, mark in marks.items() if mark]):
        await _look_again(began)
    ends = await asyncio.to_thread(LogEnds(system.kafka_servers).read)
    while behind(await _positions(system), ends):
        await _look_again(began)
    return time.monotonic() - began


async def _first_pending(system: System, service: str) -> int:
    return await _value(system, service, "SELECT coalesce(min(id), 9223372036854775807) FROM outbox")


async def _look_again(began: float) -> None:
    if time.monotonic() - began > CAUGHT_UP_SECONDS:
        raise TimeoutError(f"the backlog was not worked off within {CAUGHT_UP_SECONDS:g} s")
    await asyncio.sleep(LOOK_SECONDS)
