"""Random scripts of what the backbone asks of its database, for two databases to play and to be compared.

The one rule: three sessions, one of them waiting at most. Who goes first among several that wait for the same lock is nothing the
product relies on, and nothing the simulated database promises.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, Text, and_, bindparam, delete, select

from klaster_shared.consuming import gate_queue, inbox, parking, positions, quota
from klaster_shared.consuming.audit import Act, write_act
from klaster_shared.consuming.parking import PARKED_GATE, PARKED_MESSAGE, Gate, RawRecord, State, Verdict
from klaster_shared.consuming.positions import Partition
from klaster_shared.db.statements import Statement, insert_of
from klaster_shared.outbox import relay, requeueing
from klaster_shared.outbox.recorder import OutboxRow, write_rows

NOW = datetime(2012, 5, 1, 12, tzinfo=UTC)
C = "consumer"
KEYS = (b"one", b"two")
PARTITIONS = (Partition("topic", 0), Partition("topic", 1))
SESSIONS = 3

_g, _m = PARKED_GATE.c, PARKED_MESSAGE.c
OPEN_AT_ONCE = Statement(
    delete(PARKED_GATE).where(
        _g.consumer == bindparam("consumer", type_=Text),
        _g.topic == bindparam("topic", type_=Text),
        _g.key == bindparam("key", type_=LargeBinary),
        ~select(_m.id).where(and_(_m.consumer == _g.consumer, _m.topic == _g.topic, _m.gate == _g.key)).exists(),
    )
)
"""The mistake that the gate's two statements avoid; both databases have to make it."""

CLOSE_BLINDLY = Statement(insert_of(PARKED_GATE))
"""Without ON CONFLICT: it fails where the gate is closed, and its transaction with it."""

type Ask = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    session: int
    what: str
    ask: Ask


class Script:
    """Steps drawn from a seed; the same for both databases."""

    def __init__(self, seed: int, *, steps: int = 40) -> None:
        self._random = Random(seed)  # noqa: S311 - chance that can be repeated
        self.steps = [self._step() for _ in range(steps)]

    def _step(self) -> Step:
        draw = self._random.choice(
            (
                *(self._begin, self._end) * 5,
                *(self._lock_positions, self._advance, self._create_positions) * 2,
                *(self._look_at_gates, self._park, self._hold, self._settle, self._open_at_once, self._promote) * 3,
                *(self._remove, self._postpone, self._close_blindly, self._unattended, self._counted, self._written_down),
                *(self._claim, self._record, self._relay_reads, self._relay_deletes, self._blame, self._requeue) * 2,
            )
        )
        what, ask = draw()
        return Step(self._random.randrange(SESSIONS), what, ask)

    def _partitions(self) -> list[Partition]:
        return self._random.sample(PARTITIONS, self._random.randint(1, 2))

    def _gate(self) -> Gate:
        return Gate(consumer=C, topic="topic", key=self._random.choice(KEYS))

    def _begin(self) -> tuple[str, Ask]:
        return "begin", lambda c: c.execute("BEGIN")

    def _end(self) -> tuple[str, Ask]:
        how = self._random.choice(("COMMIT", "COMMIT", "ROLLBACK"))
        return "end", lambda c: c.execute(how)

    def _create_positions(self) -> tuple[str, Ask]:
        starts = dict.fromkeys(self._partitions(), 0)
        return "create", lambda c: positions.create_missing(c, C, starts, {"topic": "identity"}, NOW)

    def _lock_positions(self) -> tuple[str, Ask]:
        asked = self._partitions()
        return "lock", lambda c: positions.lock(c, C, asked)

    def _advance(self) -> tuple[str, Ask]:
        moves = {partition: (self._random.randint(0, 1), self._random.randint(0, 2)) for partition in self._partitions()}
        return "advance", lambda c: positions.advance(c, C, moves, NOW)

    def _look_at_gates(self) -> tuple[str, Ask]:
        asked = [("topic", key) for key in self._random.sample(KEYS, self._random.randint(1, 2))]
        return "gates", lambda c: parking.gated_keys(c, C, asked)

    def _park(self) -> tuple[str, Ask]:
        key = self._random.choice((*KEYS, None))
        record = RawRecord(
            partition=PARTITIONS[0], offset=self._random.randint(0, 5), logged_at=NOW, key=key, headers=[("a", None), ("b", b"\xff")], value=b"v"
        )
        verdict = Verdict(reason="why", state=self._random.choice((State.DUE, State.HELD, State.WAITING)))
        return "park", lambda c: parking.park(c, C, record, verdict, message_id=None, type_="type", now=NOW, next_attempt_at=NOW)

    def _hold(self) -> tuple[str, Ask]:
        row = {"id": self._random.randint(1, 4), "gate": self._random.choice((*KEYS, None)), "consumer": C, "topic": "topic"}
        return "hold", lambda c: gate_queue.hold(c, row)

    def _settle(self) -> tuple[str, Ask]:
        gate = self._gate()
        return "settle", lambda c: gate_queue.settle(c, gate, NOW)

    def _open_at_once(self) -> tuple[str, Ask]:
        gate = self._gate()
        return "open at once", lambda c: OPEN_AT_ONCE.execute(c, consumer=gate.consumer, topic=gate.topic, key=gate.key)

    def _close_blindly(self) -> tuple[str, Ask]:
        gate = self._gate()
        return "close blindly", lambda c: CLOSE_BLINDLY.execute(c, consumer=gate.consumer, topic=gate.topic, key=gate.key)

    def _promote(self) -> tuple[str, Ask]:
        gate = self._gate()
        return "promote", lambda c: gate_queue.promote(c, gate, NOW)

    def _remove(self) -> tuple[str, Ask]:
        row = {"id": self._random.randint(1, 4)}
        return "remove", lambda c: gate_queue.remove(c, row)

    def _postpone(self) -> tuple[str, Ask]:
        number, held = self._random.randint(1, 4), self._random.choice((True, False))
        verdict = Verdict(reason="again", state=State.HELD if held else State.DUE, error="E\x00")
        again = None if held else NOW + timedelta(seconds=1)
        return "postpone", lambda c: gate_queue.postpone(c, number, verdict, attempts=2, again=again)

    def _unattended(self) -> tuple[str, Ask]:
        if self._random.choice((True, False)):
            return "unattended", lambda c: gate_queue.unattended(c, C)
        return "due", lambda c: gate_queue.due(c, C, NOW, 3)

    def _counted(self) -> tuple[str, Ask]:
        records = [RawRecord(partition=PARTITIONS[0], offset=9, logged_at=NOW, key=key, headers=(), value=None) for key in KEYS]
        room = quota.Quota(per_key=2, per_consumer=5)
        return "quota", lambda c: quota.make_sure_of_room(c, C, records, room)

    def _written_down(self) -> tuple[str, Ask]:
        return "act", lambda c: write_act(c, Act(action="a", actor="b", at=NOW), consumer=C, subject="s")

    def _claim(self) -> tuple[str, Ask]:
        ids = [UUID(int=self._random.randint(1, 4)) for _ in range(self._random.randint(1, 3))]
        return "claim", lambda c: inbox.claim(c, C, ids, NOW)

    def _record(self) -> tuple[str, Ask]:
        rows = [OutboxRow(UUID(int=n), "topic", self._random.choice("ab"), "t", "[]", b"p", NOW) for n in range(self._random.randint(0, 2))]
        return "record", lambda c: write_rows(c, rows)

    def _relay_reads(self) -> tuple[str, Ask]:
        floor = self._random.randint(0, 2)
        return "relay reads", lambda c: relay._SELECT.fetch(c, rows=4, floor=floor)  # noqa: SLF001 - the statement itself is compared

    def _relay_deletes(self) -> tuple[str, Ask]:
        ids = [self._random.randint(1, 6) for _ in range(2)]
        return "relay deletes", lambda c: relay._DELETE.execute(c, ids=ids)  # noqa: SLF001 - same

    def _blame(self) -> tuple[str, Ask]:
        row = self._random.randint(1, 6)
        return "blame", lambda c: relay._BLAME.fetchval(c, row=row, why="E")  # noqa: SLF001 - same

    def _requeue(self) -> tuple[str, Ask]:
        row = self._random.randint(1, 6)
        return "requeue", lambda c: requeueing.requeue(c, row, Act(action="requeue", actor="b", at=NOW))


@dataclass(slots=True)
class Playing:
    """One database that plays a script. `is_blocked` tells whether a session waits for a lock."""

    sessions: Sequence[Any]
    is_blocked: Callable[[int, "asyncio.Task[str]"], Awaitable[bool]]
    transcript: list[str]
    most_waiting: int = 0

    async def play(self, script: Script) -> None:
        """Every step's answer or error in the order in which they come, and who had to wait."""
        open_: dict[int, asyncio.Task[str]] = {}
        for number, step in enumerate(script.steps):
            if step.session in open_:
                continue  # it waits
            open_[step.session] = asyncio.create_task(_answer(step, self.sessions[step.session]))
            await self._settle(open_, step.session, f"{number} {step.what} by {step.session}")
        unfinished = set(range(SESSIONS))
        while free := sorted(unfinished - open_.keys()):
            unfinished.discard(free[0])
            open_[free[0]] = asyncio.create_task(_answer(Step(free[0], "end", lambda c: c.execute("ROLLBACK")), self.sessions[free[0]]))
            await self._settle(open_, free[0], "the end")

    async def _settle(self, open_: "dict[int, asyncio.Task[str]]", asked: int, what: str) -> None:
        """The one that was asked comes first: what it does may be what the others wait for."""
        for session, task in sorted(open_.items(), key=lambda each: (each[0] != asked, each[0])):
            if await self.is_blocked(session, task):
                self.transcript.append(f"{what}: {session} waits")
                continue
            self.transcript.append(f"{what}: {session} has {task.result()}")
            del open_[session]
        self.most_waiting = max(self.most_waiting, len(open_))


async def _answer(step: Step, connection: Any) -> str:
    try:
        return _shown(await step.ask(connection))
    except Exception as error:  # noqa: BLE001 - which error it is, is the answer
        return type(error).__name__


def _shown(answer: Any) -> str:
    match answer:
        case list():
            return str([_shown(each) for each in answer])
        case set() | frozenset():
            return str(sorted(map(_shown, answer)))
        case str() if answer.partition(" ")[0] in {"BEGIN", "COMMIT", "ROLLBACK"}:
            return answer
        case None | str() | int() | bytes() | tuple():
            return repr(answer)
        case dict():
            return str({str(k): _shown(v) for k, v in answer.items()})
        case _ if hasattr(answer, "items"):
            return str({str(k): _shown(v) for k, v in answer.items()})
        case _:
            return str(answer)
