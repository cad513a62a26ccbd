"""A TCP hop that misbehaves on demand: the network between a service and what it talks to, in the tier without containers.

The one rule: **bytes are delayed or their connection ends; none is changed, and none is left out of a connection that goes on**, as TCP
has it. A hole holds back what was sent into it and delivers it, in order, when it is mended.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from enum import Enum
from typing import Final, Self

from klaster_shared.embedded.ports import LOOPBACK, free_port

CHUNK: Final = 65_536
AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time."""


class Direction(Enum):
    THERE = "there"
    """From the client to the server."""
    BACK = "back"


class Proxy:
    """Between `port`, where clients connect, and `target`. Starts and ends with its context."""

    def __init__(self, target: int, *, port: int | None = None) -> None:
        self.target = target
        self.port = port or free_port()
        self.carried = 0
        """Bytes that have passed, both ways."""
        self._open = {direction: asyncio.Event() for direction in Direction}
        self._delay = 0.0
        self._refusing = False
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self.mend()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Every connection is reset; new ones end at once."""
        self._refusing = True
        for connection in list(self._connections):
            connection.reset()

    def reset(self) -> None:
        """Every connection is reset once; new ones are fine."""
        self.cut()
        self._refusing = False

    def blackhole(self) -> None:
        """Nothing arrives any more, in either direction, and nobody is told; new connections are accepted into the void."""
        for direction in Direction:
            self.swallow(direction)

    def swallow(self, direction: Direction) -> None:
        """One way only: requests arrive and answers do not, or the other way round."""
        self._open[direction].clear()

    def forget(self) -> None:
        """Half-open: what is connected now stays connected and is dead for ever, new connections are fine."""
        for connection in self._connections:
            connection.dead = True

    def delay(self, seconds: float) -> None:
        """Each piece arrives later by so much; the order stays."""
        self._delay = seconds

    def mend(self) -> None:
        """What was held back arrives; what was forgotten stays so."""
        self._refusing, self._delay = False, 0.0
        for gate in self._open.values():
            gate.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            _reset(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            _reset(writer)
            return
        ways = [(reader, server_writer, Direction.THERE), (server_reader, writer, Direction.BACK)]
        connection = _Connection(writer, server_writer)
        # Held here: the loop itself keeps no task alive whose transport is closed.
        connection.carrying = [asyncio.create_task(self._carry(connection, *way)) for way in ways]
        self._connections.add(connection)
        try:
            await asyncio.wait(connection.carrying)
        finally:
            self._connections.discard(connection)
            connection.reset()

    async def _carry(self, connection: "_Connection", source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction) -> None:
        """Until the source ends; then the sink is told so, and the other way goes on."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        delivering = asyncio.create_task(self._deliver(connection, under_way, sink, direction))
        try:
            with suppress(OSError):
                while piece := await source.read(CHUNK):
                    await under_way.put((asyncio.get_running_loop().time() + self._delay, piece))
            await under_way.put((0.0, b""))
            await delivering
        finally:
            delivering.cancel()

    async def _deliver(
        self, connection: "_Connection", under_way: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter, direction: Direction
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._open[direction].wait()
            if not piece:
                if sink.can_write_eof() and not connection.dead:
                    sink.write_eof()
                return
            if connection.dead:
                continue
            with suppress(OSError):
                sink.write(piece)
                self.carried += len(piece)
                await sink.drain()


class _Connection:
    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.dead = False
        self.carrying: list[asyncio.Task[None]] = []
        self._writers = (client, server)

    def reset(self) -> None:
        for task in self.carrying:
            task.cancel()
        for writer in self._writers:
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """As a firewall does: the other side gets RST, not a polite end."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()
