"""The network of the embedded tier does what the words say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from klaster_shared.testing.waiting import eventually
from tests.chaos.proxy import Direction, Proxy

pytestmark = pytest.mark.embedded

UNANSWERED = 0.3


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """In front of a server that answers every line with itself."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._listening: asyncio.Task[bytes] | None = None

    def say(self, word: str) -> None:
        self.writer.write(f"{word}\n".encode())

    async def hear(self) -> str:
        listening, self._listening = self._listen(), None
        return (await asyncio.wait_for(listening, 20)).decode().strip()

    async def hears_nothing(self) -> bool:
        """What comes later is heard by the next `hear`."""
        self._listening = self._listen()
        done, _ = await asyncio.wait({self._listening}, timeout=UNANSWERED)
        return not done

    def _listen(self) -> asyncio.Task[bytes]:
        return self._listening or asyncio.create_task(self.reader.readline())


@asynccontextmanager
async def calling(proxy: Proxy) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


async def test_a_whole_network_carries_both_ways(proxy: Proxy) -> None:
    async with calling(proxy) as caller:
        caller.say("one")
        assert await caller.hear() == "one"
        assert proxy.carried == 8


async def test_a_black_hole_delivers_in_order_once_it_is_mended(proxy: Proxy) -> None:
    async with calling(proxy) as caller:
        proxy.blackhole()
        for word in ("one", "two", "three"):
            caller.say(word)
        assert await caller.hears_nothing()
        proxy.mend()
        assert [await caller.hear() for _ in range(3)] == ["one", "two", "three"]


async def test_one_way_swallows_answers_alone(proxy: Proxy) -> None:
    async with calling(proxy) as caller:
        proxy.swallow(Direction.BACK)
        caller.say("one")
        assert await caller.hears_nothing()
        await eventually(lambda: proxy.carried == 4)
        proxy.mend()
        assert await caller.hear() == "one"


async def test_a_cut_ends_connections_and_refuses_new_ones(proxy: Proxy) -> None:
    async with calling(proxy) as caller:
        caller.say("one")
        assert await caller.hear() == "one"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await caller.hear()
    async with calling(proxy) as caller:
        caller.say("one")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await caller.hear()


async def test_a_forgotten_connection_is_dead_and_a_new_one_is_fine(proxy: Proxy) -> None:
    async with calling(proxy) as old:
        old.say("one")
        assert await old.hear() == "one"
        proxy.forget()
        old.say("two")
        assert await old.hears_nothing()
        async with calling(proxy) as new:
            new.say("three")
            assert await new.hear() == "three"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await old.hear()


async def test_a_delay_keeps_the_order(proxy: Proxy) -> None:
    async with calling(proxy) as caller:
        proxy.delay(0.05)
        for word in ("one", "two", "three"):
            caller.say(word)
        assert [await caller.hear() for _ in range(3)] == ["one", "two", "three"]
