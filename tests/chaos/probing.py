"""A client of our own on a link: the proof that a broken network is broken, and for those who were already connected, too.

The one rule: it connects before the fault, as the services have, and speaks the protocol of what it talks to; that bytes leave proves nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

import asyncpg

from klaster_shared.embedded.ports import LOOPBACK
from tests.chaos.engines import System

ANSWER_SECONDS: Final = 60.0
API_VERSIONS: Final = b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"
"""Kafka's ApiVersions request, version 0, with its length: the smallest question that a broker answers without a login."""


class Probe(Protocol):
    async def answers(self, within: float = ANSWER_SECONDS) -> bool: ...


class BrokerProbe:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def answers(self, within: float = ANSWER_SECONDS) -> bool:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(within):
                self._writer.write(API_VERSIONS)
                length = int.from_bytes(await self._reader.readexactly(4))
                await self._reader.readexactly(length)
                return True
        return False


class DatabaseProbe:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def answers(self, within: float = ANSWER_SECONDS) -> bool:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return bool(await self._connection.fetchval("SELECT 1", timeout=within) == 1)
        return False


@asynccontextmanager
async def probe_of_broker(system: System) -> AsyncIterator[Probe]:
    reader, writer = await asyncio.open_connection(LOOPBACK, system.to_kafka.port)
    try:
        yield BrokerProbe(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def probe_of_database(system: System, service: str) -> AsyncIterator[Probe]:
    url = system.behind_proxies(service)[f"{service.upper()}_DATABASE_URL"]
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"), timeout=ANSWER_SECONDS)
    try:
        yield DatabaseProbe(connection)
    finally:
        connection.terminate()
