"""The floor of the relay's reads: it rises, and it never hides a row. A floor that only remembers what it saw is shown to do so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import orjson
import pytest

from klaster_shared.clock import SystemClock
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.db.engine import Connection, Database
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.ids import new_id
from klaster_shared.outbox import floor as floors
from klaster_shared.outbox import recorder, relay
from klaster_shared.outbox.floor import NO_FLOOR, Floor
from klaster_shared.testing.backbone import Backbone, an_origin, running
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

HELD = 5


class Log:
    """A broker that takes everything at once: what counts here is what the relay finds, and in which order."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []

    async def start(self) -> None: ...

    async def send(self, topic: str, key: bytes, value: bytes, headers: Any) -> "asyncio.Future[None]":  # noqa: ARG002 - the publisher's signature
        self.records.append((key.decode(), orjson.loads(value)["name"]))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def hard_close(self) -> None: ...

    def of(self, network: UUID) -> list[str]:
        return [name for key, name in self.records if key == str(network)]


class Watched(Floor):
    """Counts the steps of its proof."""

    steps = 0

    async def rise(self, connection: Connection) -> None:
        await super().rise(connection)
        self.steps += 1


class HighestSeen(Watched):
    """The obvious floor, and the mistake: what was read and is gone was the lowest there is."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = NO_FLOOR

    async def rise(self, connection: Connection) -> None:
        self.id, self._seen = self._seen, await connection.fetchval("SELECT greatest(max(id), $1) FROM outbox", self._seen)
        self.steps += 1


class Bench:
    """One relay with a floor to look at, writing to a list."""

    def __init__(self, backbone: Backbone, tables: str, kind: type[Watched], monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = Log()
        self.floor = kind()
        self.backbone = backbone
        self.database = Database(tables, name="writers", pool_size=HELD + 1)
        self.transactions = Transactions(self.database, UnitOfWork, clock=SystemClock(), wake=lambda: None)
        self._kind = kind
        monkeypatch.setattr(floors, "RISE_SECONDS", 0.0)
        monkeypatch.setattr(relay, "Floor", self._fresh)
        monkeypatch.setattr(backbone.relay, "_make_publisher", lambda: self.log)

    def _fresh(self) -> Watched:
        self.floor = self._kind()
        return self.floor

    async def looked(self, times: int = 8) -> None:
        """Until the relay has looked that often since now, which is more than a whole proof takes."""
        seen, before = self.floor, self.floor.steps
        await eventually(lambda: self.floor is not seen or self.floor.steps >= before + times, what="the relay to look")

    async def risen(self) -> int:
        """The highest id given so far, once the floor is there."""
        async with self.database.connect() as connection:
            last: int = await connection.fetchval("SELECT last_value FROM outbox_id_seq")
        await eventually(lambda: self.floor.id >= last, what=f"the floor to reach {last}")
        return last


@pytest.fixture
async def new_bench(backbone: Backbone, tables: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(kind: type[Watched] = Watched) -> Bench:
        made.append(Bench(backbone, tables, kind, monkeypatch))
        return made[-1]

    yield make
    for bench in made:
        await bench.database.dispose()


async def late_committers(bench: Bench) -> tuple[int, int]:
    """(lost, inverted). Five transactions hold ids while others' greater ids are published; they commit, and their aggregates go on."""
    held, other = [new_id() for _ in range(HELD)], new_id()
    async with running(bench.backbone.relay):
        async with AsyncExitStack() as open_ones:
            for network in held:
                work = await open_ones.enter_async_context(bench.transactions.begin(an_origin()))
                work.publish(NetworkRegistered(network_id=network, code="X", name="first"), sequence=1, happened=work.now)
                await work.write_outbox()
            await bench.backbone.record("other", network=other)
            await eventually(lambda: bench.log.of(other) == ["other"], what="the other's message to be published")
            await bench.looked()
        for network in held:
            await bench.backbone.record("second", network=network, first=2)
        await eventually(lambda: all("second" in bench.log.of(network) for network in held), what="the messages behind to be published")
        await bench.looked()
    lost = sum("first" not in bench.log.of(network) for network in held)
    async with running(bench.backbone.relay):  # it begins without a floor, and finds what is left
        await eventually(lambda: all("first" in bench.log.of(network) for network in held), what="the rest to be published")
    return lost, sum(bench.log.of(network) != ["first", "second"] for network in held)


async def test_rows_committed_below_ids_already_published_are_found_in_their_order(new_bench: Callable[..., Bench]) -> None:
    assert await late_committers(new_bench()) == (0, 0)


async def test_a_floor_at_the_highest_id_seen_hides_and_inverts_them(new_bench: Callable[..., Bench]) -> None:
    """The test of the test above."""
    assert await late_committers(new_bench(HighestSeen)) == (HELD, HELD)


async def test_the_floor_rises_over_what_was_published(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench()
    async with running(bench.backbone.relay):
        for round_ in range(1, 4):
            await bench.backbone.record("one", "two", network=new_id())
            assert await bench.risen() == 2 * round_
    assert len(bench.log.records) == 6


async def test_the_first_message_of_an_outbox_that_was_never_written_is_found(new_bench: Callable[..., Bench]) -> None:
    """A sequence that was never asked shows 1 as its last value, and 1 is still to come."""
    bench, network = new_bench(), new_id()
    async with running(bench.backbone.relay):
        await bench.looked()
        await bench.backbone.record("first", network=network)
        await eventually(lambda: bench.log.of(network) == ["first"], what="the first message")


async def test_a_dead_row_keeps_the_floor_below_itself_and_is_found_when_it_is_requeued(new_bench: Callable[..., Bench]) -> None:
    bench, refused, free = new_bench(), new_id(), new_id()
    await bench.backbone.record("refused", "behind it", network=refused)
    async with bench.database.connect() as connection:
        dead = await connection.fetchval("UPDATE outbox SET dead = true WHERE id = (SELECT min(id) FROM outbox) RETURNING id")
        async with running(bench.backbone.relay):
            await bench.backbone.record("free", network=free)
            await eventually(lambda: bench.log.of(free) == ["free"], what="the free one to be published")
            await bench.looked()
            assert bench.floor.id == dead - 1
            await connection.execute("UPDATE outbox SET dead = false")
            await eventually(lambda: bench.log.of(refused) == ["refused", "behind it"], what="the requeued one and what is behind it")
            await bench.risen()


async def test_a_sequence_that_was_set_back_takes_the_floor_with_it(new_bench: Callable[..., Bench]) -> None:
    bench, network = new_bench(), new_id()
    async with running(bench.backbone.relay):
        await bench.backbone.record("one", "two", "three", network=network)
        await bench.risen()
        async with bench.database.connect() as connection:
            await connection.execute("ALTER SEQUENCE outbox_id_seq RESTART")
        await bench.backbone.record("four", network=network, first=4)
        await bench.backbone.record("five", network=network, first=5)
        await eventually(lambda: bench.log.of(network) == ["one", "two", "three", "four", "five"], what="all five")


async def test_a_transaction_has_its_number_before_its_rows_have_their_ids(new_bench: Callable[..., Bench]) -> None:
    """Without a single row no id is given, and the number is there."""
    async with new_bench().transactions.begin(an_origin()) as work:
        numbered = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"
        assert not await work.connection.fetchval(numbered)
        await recorder.write_rows(work.connection, [])
        assert await work.connection.fetchval(numbered)
