"""The test of the simulation: mistakes that were made somewhere, or nearly here, are put in, and it finds each of them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import LargeBinary, Text, and_, bindparam, delete, select

from klaster_shared.consuming import gate_queue, inbox, parking
from klaster_shared.consuming.chunk import ChunkApplier
from klaster_shared.consuming.parking import PARKED_GATE, PARKED_MESSAGE
from klaster_shared.consuming.runner import Runner
from klaster_shared.db.statements import Statement
from klaster_shared.outbox import floor, relay
from klaster_shared.outbox.floor import Floor
from klaster_shared.outbox.relay import Relay
from klaster_shared.testing.simulation.world import simulate

MOST_SEEDS = 1000

type Mutate = Callable[[pytest.MonkeyPatch], None]


def outbox_rows_are_deleted_before_they_are_acknowledged(patch: pytest.MonkeyPatch) -> None:
    deliver = Relay._deliver

    async def mutant(self: Relay, connection: Any, rows: list[Any]) -> Any:
        await relay._DELETE.execute(connection, ids=[row["id"] for row in rows])
        return await deliver(self, connection, rows)

    patch.setattr(Relay, "_deliver", mutant)


def outbox_rows_are_deleted_whatever_became_of_them(patch: pytest.MonkeyPatch) -> None:
    deliver = Relay._deliver

    async def mutant(self: Relay, connection: Any, rows: list[Any]) -> Any:
        delivery = await deliver(self, connection, rows)
        delivery.acknowledged = rows
        return delivery

    patch.setattr(Relay, "_deliver", mutant)


def a_send_that_raises_is_passed_over(patch: pytest.MonkeyPatch) -> None:
    send = Relay._send

    async def mutant(self: Relay, rows: list[Any]) -> Any:
        total = relay.Delivery()
        for row in rows:
            part = await send(self, [row])
            total.acknowledged += part.acknowledged
            total.refused += part.refused
            total.failure = total.failure or part.failure
            if part.failure is not None:
                await self._discard_publisher()
        return total

    patch.setattr(Relay, "_send", mutant)


def the_floor_is_the_highest_id_seen(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Floor, connection: Any) -> None:
        self.id = await connection.fetchval(floor._LAST_GIVEN)

    patch.setattr(Floor, "rise", mutant)


def the_floor_trusts_the_xmax_of_a_snapshot(patch: pytest.MonkeyPatch) -> None:
    """It is one past the highest number that has ended; one that runs may have a greater one."""
    patch.setattr(floor, "_OWN_NUMBER", "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


def the_inbox_is_asked_before_the_gate(patch: pytest.MonkeyPatch) -> None:
    dispose, claim = ChunkApplier._dispose, inbox.claim

    async def mutant(self: Any, work: Any, kept: Any, *rest: Any) -> None:
        ids = [i.envelope.inbox_id for _, i in kept if i.envelope is not None and i.verdict is None]
        mine = await claim(work.connection, self.consumer.name, ids, work.now)

        async def claimed(_connection: Any, _consumer: str, asked: list[Any], _now: Any) -> set[Any]:
            return {each for each in asked if each in mine}

        with pytest.MonkeyPatch.context() as within:
            within.setattr(inbox, "claim", claimed)
            await dispose(self, work, kept, *rest)

    patch.setattr(ChunkApplier, "_dispose", mutant)


def a_gate_opens_in_one_statement_with_the_look_behind_it(patch: pytest.MonkeyPatch) -> None:
    _g, _m = PARKED_GATE.c, PARKED_MESSAGE.c
    queued = select(_m.id).where(and_(_m.consumer == _g.consumer, _m.topic == _g.topic, _m.gate == _g.key)).exists()
    at_once = Statement(
        delete(PARKED_GATE).where(
            _g.consumer == bindparam("consumer", type_=Text),
            _g.topic == bindparam("topic", type_=Text),
            _g.key == bindparam("key", type_=LargeBinary),
            ~queued,
        )
    )

    async def mutant(connection: Any, gate: Any, now: Any) -> int | None:
        if await at_once.execute(connection, consumer=gate.consumer, topic=gate.topic, key=gate.key):
            return None
        return await gate_queue.promote(connection, gate, now)

    patch.setattr(gate_queue, "settle", mutant)


def gates_are_read_without_being_held(patch: pytest.MonkeyPatch) -> None:
    query: Any = parking._GATES.core
    unlocked = query._generate()
    unlocked._for_update_arg = None
    patch.setattr(parking, "_GATES", Statement(unlocked))


def messages_pass_a_closed_gate(patch: pytest.MonkeyPatch) -> None:
    async def mutant(connection: Any, consumer: str, keys: Any) -> set[Any]:
        return set()

    patch.setattr(parking, "gated_keys", mutant)


def a_gap_at_the_start_of_a_batch_is_believed(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, partition: Any, standing: Any) -> bool:
        return True

    patch.setattr(Runner, "_gap_is_real", mutant)


MUTANTS: tuple[Mutate, ...] = (
    outbox_rows_are_deleted_before_they_are_acknowledged,
    outbox_rows_are_deleted_whatever_became_of_them,
    a_send_that_raises_is_passed_over,
    the_floor_is_the_highest_id_seen,
    the_floor_trusts_the_xmax_of_a_snapshot,
    the_inbox_is_asked_before_the_gate,
    a_gate_opens_in_one_statement_with_the_look_behind_it,
    gates_are_read_without_being_held,
    messages_pass_a_closed_gate,
    a_gap_at_the_start_of_a_batch_is_believed,
)


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_the_simulation_finds(mutate: Mutate, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    assert any(simulate(seed).broken for seed in range(MOST_SEEDS))
