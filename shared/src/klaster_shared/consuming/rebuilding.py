"""A projection thrown away and built again from the whole log, while its readers read on and its consumer hardly pauses.

The one rule: the new rows are built beside the old ones, in temporary tables that take their names, by transactions that PostgreSQL itself
keeps from writing anywhere else (`READ ONLY` allows temporary tables alone); the exchange is one transaction that holds the consumer's positions.
Whatever dies, there is the old state or the new one, and no message between the two. docs/architecture/replay.md has the argument.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from aiokafka.errors import KafkaConnectionError
from sqlalchemy import Text, bindparam, select

from klaster_shared.consuming import inbox, positions
from klaster_shared.consuming.audit import OPERATOR_ACT, Act, write_act
from klaster_shared.consuming.exchanging import Exchange, State
from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.inbox import INBOX
from klaster_shared.consuming.log_reading import Log
from klaster_shared.consuming.log_spans import LogAway, LogEdges, Span
from klaster_shared.consuming.parking import PARKED_GATE, PARKED_MESSAGE
from klaster_shared.consuming.parser import Incoming, read
from klaster_shared.consuming.positions import CONSUMER_POSITION, Partition, misfit
from klaster_shared.consuming.replaying import Fate, Progress, Tally, fate_without, origin_of, replay_one, silent
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Statement
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.errors import Refused
from klaster_shared.kafka import TopicIdentities

NEARLY: Final = 200
"""Records that may be left to read while the positions are held."""
MOST_ROUNDS: Final = 10
"""Under a load that reading does not outrun, the rest is read while the positions are held."""
LOCK_SECONDS: Final = 60
_ONE_AT_A_TIME: Final = "SELECT pg_try_advisory_lock(hashtextextended('klaster rebuild ' || $1, 0))"

_consumer = bindparam("consumer", type_=Text)
_p, _g, _m, _a = CONSUMER_POSITION.c, PARKED_GATE.c, PARKED_MESSAGE.c, OPERATOR_ACT.c
_HOLD_POSITIONS = Statement(
    select(_p.topic, _p.partition, _p.next_offset).where(_p.consumer == _consumer).order_by(_p.topic, _p.partition).with_for_update()
)
_PARKED = select(_m.topic, _m.partition, _m.log_offset).where(_m.consumer == _consumer)
_PARKED_NOW = Statement(_PARKED)
_HOLD_PARKED = Statement(_PARKED.order_by(_m.id).with_for_update())
_HOLD_GATES = Statement(select(_g.key).where(_g.consumer == _consumer).order_by(_g.topic, _g.key).with_for_update(key_share=True))
_GIVEN_UP = Statement(select(_a.message_id).where(_a.consumer == _consumer, _a.action == "skip", _a.message_id.is_not(None)))

type Place = tuple[Partition, int]


class CannotRebuild(Refused):
    """The projection cannot be built from the log as it is. Nothing was changed; the sentence says what stands in the way."""

    slug = "cannot-rebuild"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """`before` and `after`: rows and checksum of each table's share. `exchanged` is False when they were the same, or in a rehearsal."""

    before: Mapping[str, State]
    after: Mapping[str, State]
    exchanged: bool
    tally: Tally

    @property
    def is_same(self) -> bool:
        return self.before == self.after

    def as_json(self) -> dict[str, Any]:
        tables = {name: {"before": self.before[name].as_json(), "after": self.after[name].as_json()} for name in self.before}
        return {"tables": tables, "same": self.is_same, "exchanged": self.exchanged, **self.tally.as_json()}


@dataclass(slots=True)
class _Course:
    """How far a rebuild has come. `aside`: messages of keys that had something parked when they were read; they are decided on at the end."""

    tally: Tally = field(default_factory=Tally)
    done: dict[Partition, int] = field(default_factory=dict)
    aside: list[Incoming] = field(default_factory=list)
    closed: set[tuple[str, bytes]] = field(default_factory=set)
    parked: set[Place] = field(default_factory=set)
    given_up: set[UUID] = field(default_factory=set)

    def sets_aside(self, incoming: Incoming) -> bool:
        """A message that is parked, and everything behind it: their order is the order of the log, then as now."""
        record = incoming.record
        if (record.partition, record.offset) not in self.parked and incoming.gate not in self.closed:
            return False
        if incoming.gate is not None:
            self.closed.add(incoming.gate)
        self.aside.append(incoming)
        return True

    def is_given_up(self, incoming: Incoming) -> bool:
        return incoming.envelope is not None and incoming.envelope.inbox_id in self.given_up


class Rebuild[W: UnitOfWork]:
    """One rebuild of one consumer's projection."""

    def __init__(
        self,
        consumer: Consumer,
        transactions: Transactions[W],
        log: Log,
        edges: LogEdges,
        identities: TopicIdentities,
        *,
        tolerant: bool = False,
        progress: Progress = silent,
    ) -> None:
        """`tolerant`: messages that their handlers refuse are counted and left out, instead of ending the rebuild."""
        if consumer.projection is None:
            raise CannotRebuild(f"{consumer.name} has no projection: what it writes is a record and cannot be made again.")
        self._consumer = consumer
        self._exchange = Exchange(consumer.projection.shares, beside=[INBOX])
        self._transactions = transactions
        self._log = log
        self._edges = edges
        self._identities = identities
        self._tolerant = tolerant
        self._progress = progress

    async def run(self, *, actor: str, reason: str) -> Rebuilt:
        """
        Raises:
            CannotRebuild: the log is not whole, a handler refuses a message of it, or another rebuild is at work.
            LogAway: the broker does not answer.
            DatabaseAway: the database does not answer.
        """
        async with self._session() as connection:
            course = await self._build(connection)
            async with connection.transaction():
                before, after = await self._catch_up_and_compare(connection, course)
                if before != after:
                    await self._exchange.replace(connection)
                act = Act(action="rebuild", actor=actor, at=self._transactions.clock.now(), reason=reason)
                subject = f"{'exchanged' if before != after else 'the same'}; {course.tally}; {_told(after)}"
                await write_act(connection, act, consumer=self._consumer.name, subject=subject)
            return Rebuilt(before=before, after=after, exchanged=before != after, tally=course.tally)

    async def rehearse(self) -> Rebuilt:
        """Builds and compares, and changes nothing: whether the projection is what the log says."""
        async with self._session() as connection:
            course = await self._build(connection)
            async with connection.transaction():
                before, after = await self._catch_up_and_compare(connection, course)
            return Rebuilt(before=before, after=after, exchanged=False, tally=course.tally)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Connection]:
        """A connection on which the names of the projection's tables mean empty temporary tables. Its end is the end of them."""
        connection = await self._transactions.database.dedicated("rebuild")
        try:
            await connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            if not await connection.fetchval(_ONE_AT_A_TIME, self._consumer.name):
                raise CannotRebuild(f"The projection of {self._consumer.name} is being rebuilt already.")
            await self._exchange.open(connection)
            yield connection
        finally:
            await connection.close()

    async def _build(self, connection: Connection) -> _Course:
        """Everything up to positions that are nearly those of the moment."""
        course = _Course()
        spans = await self._whole(connection)
        for _ in range(MOST_ROUNDS):
            await self._read_on(connection, course, spans)
            spans = _rest(course, await self._positions(connection))
            if sum(span.length for span in spans.values()) <= NEARLY:
                break
        await self._exchange.analyse(connection)
        return course

    async def _whole(self, connection: Connection) -> dict[Partition, Span]:
        """From the beginning of the log to the positions; the log must still hold all of it.

        Raises:
            CannotRebuild: it does not.
        """
        stored = await positions.of_consumer(connection, self._consumer.name)
        if not stored:
            raise CannotRebuild(f"{self._consumer.name} stands nowhere yet: there is nothing to build again.")
        starts, ends = await self._edges.starts(stored), await self._edges.ends(stored)
        try:
            identities = await self._identities.of({p.topic for p in stored})
        except KafkaConnectionError as error:
            raise LogAway("Kafka does not tell the ids of the topics: is it running?") from error
        for p, position in stored.items():
            why = misfit(position, start=starts[p], end=ends[p], identity=identities.get(p.topic, ""))
            if starts[p] > 0:
                why = f"the log begins at {starts[p]}: what was before cannot be built again"
            if why is not None:
                raise CannotRebuild(f"{p.topic}/{p.number}: {why}.")
        return {p: Span(0, position.next_offset) for p, position in stored.items()}

    async def _positions(self, connection: Connection) -> dict[Partition, int]:
        return {p: position.next_offset for p, position in (await positions.of_consumer(connection, self._consumer.name)).items()}

    async def _read_on(self, connection: Connection, course: _Course, spans: Mapping[Partition, Span]) -> None:
        """What was parked is asked after the positions were read: a message before them that is not among it has been handled."""
        await self._note_exceptions(connection, course, _PARKED_NOW)
        total, before = sum(span.length for span in spans.values()), course.tally.records + len(course.aside)
        async with aclosing(self._log.read(spans)) as batches:
            async for records in batches:
                await self._apply(connection, course, [read(record, self._consumer) for record in records])
                self._progress(min(course.tally.records + len(course.aside) - before, total), total)
        course.done |= {p: span.end for p, span in spans.items()}

    async def _note_exceptions(self, connection: Connection, course: _Course, parked: Statement) -> None:
        rows = await parked.fetch(connection, consumer=self._consumer.name)
        course.parked = {(Partition(row["topic"], row["partition"]), row["log_offset"]) for row in rows}
        course.given_up = {row["message_id"] for row in await _GIVEN_UP.fetch(connection, consumer=self._consumer.name)}

    async def _apply(self, connection: Connection, course: _Course, batch: list[Incoming]) -> None:
        to_apply: list[Incoming] = []
        for incoming in batch:
            if course.sets_aside(incoming):
                continue
            fate = Fate.PARKED if course.is_given_up(incoming) else fate_without(incoming, self._consumer)
            if fate is None:
                to_apply.append(incoming)
            else:
                course.tally.add(incoming, fate)
        await self._build_on(connection, course.tally, to_apply)

    async def _build_on(self, connection: Connection, tally: Tally, messages: list[Incoming]) -> None:
        try:
            await self._together(connection, tally, messages)
        except Exception as error:
            if connection.is_closed():
                raise
            if len(messages) == 1:
                self._refused(tally, messages[0], error)
                return
            for incoming in messages:
                await self._build_on(connection, tally, [incoming])

    def _refused(self, tally: Tally, incoming: Incoming, error: Exception) -> None:
        tally.fail(incoming, error)
        if not self._tolerant:
            raise CannotRebuild(f"A message cannot be applied: {tally.failures[-1]}. Nothing was changed.") from error

    async def _together(self, connection: Connection, tally: Tally, messages: list[Incoming]) -> None:
        if not messages:
            return
        async with connection.transaction():  # a savepoint while the positions are held
            await connection.execute("SET TRANSACTION READ ONLY")
            work = self._transactions.work_on(connection, origin_of(self._consumer))
            first = await inbox.claim(connection, self._consumer.name, [i.envelope.inbox_id for i in messages if i.envelope is not None], work.now)
            fates = [await self._once(work, incoming, first) for incoming in messages]
            tally.withheld += work.withhold()
        for incoming, fate in zip(messages, fates, strict=True):
            tally.add(incoming, fate)

    async def _once(self, work: UnitOfWork, incoming: Incoming, first: set[UUID]) -> Fate:
        if incoming.envelope is None or incoming.envelope.inbox_id not in first:
            return Fate.DUPLICATE
        first.discard(incoming.envelope.inbox_id)
        return await replay_one(work, incoming, self._consumer)

    async def _catch_up_and_compare(self, connection: Connection, course: _Course) -> tuple[dict[str, State], dict[str, State]]:
        """From here to the end of the transaction the consumer stands still, and so do its parked messages."""
        rows = await _HOLD_POSITIONS.fetch(connection, consumer=self._consumer.name)
        held = {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        if any(held.get(p, -1) < offset for p, offset in course.done.items()):
            raise CannotRebuild("A position was set back meanwhile. Nothing was changed; start again.")
        await self._read_on(connection, course, _rest(course, held))
        await _HOLD_GATES.execute(connection, consumer=self._consumer.name)  # first, as whoever works on a parked message does
        await self._note_exceptions(connection, course, _HOLD_PARKED)
        for incoming in course.aside:
            decided = self._decided(course, incoming)
            if decided is not None:
                course.tally.add(incoming, decided)
            else:
                await self._build_on(connection, course.tally, [incoming])
        return await self._exchange.states(connection)

    def _decided(self, course: _Course, incoming: Incoming) -> Fate | None:
        record = incoming.record
        if (record.partition, record.offset) in course.parked or course.is_given_up(incoming):
            return Fate.PARKED
        return fate_without(incoming, self._consumer)


def _rest(course: _Course, now: Mapping[Partition, int]) -> dict[Partition, Span]:
    return {p: Span(course.done.get(p, 0), offset) for p, offset in now.items()}


def _told(states: Mapping[str, State]) -> str:
    return ", ".join(f"{name} {state.rows} rows {state.checksum[:12]}" for name, state in states.items())
