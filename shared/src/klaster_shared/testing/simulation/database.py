"""A PostgreSQL server in memory: sessions, statements, and connections that break.

The one rule: a statement runs from the Core element it was compiled from, so what runs here is what runs there. Text that was
never Core is known by heart (`_BY_HEART`); anything else is refused. `shared/tests/simulation/test_database_agrees.py` runs the
same statements here and on the real server and compares.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import Delete, Insert, MetaData, Select, Update

from klaster_shared.db.engine import DatabaseAway
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.db.statements import Statement
from klaster_shared.outbox import floor
from klaster_shared.testing.simulation.event_loop import OF_NOBODY, Process
from klaster_shared.testing.simulation.expressions import NotSimulated, Scope, default_of
from klaster_shared.testing.simulation.hazards import Hazards
from klaster_shared.testing.simulation.queries import Answer, Change, Insertion, Query, uniques_of
from klaster_shared.testing.simulation.storage import Store, StoredTable, Transaction

type Prepared = Query | Insertion | Change

_LOST = (
    lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    lambda: ConnectionResetError("connection reset by peer"),
    lambda: asyncpg.InterfaceError("connection is closed"),
)
IDLE_IN_TRANSACTION_SECONDS = 60.0
KEEPALIVE_SECONDS = 15.0

_BY_HEART = {
    "SELECT 1": "alive",
    "SELECT pg_try_advisory_lock($1)": "leader",
    floor._LAST_GIVEN: "last given",  # noqa: SLF001 - the text itself is known here
    floor._OWN_NUMBER: "own number",  # noqa: SLF001 - same
    floor._DECIDED: "decided",  # noqa: SLF001 - same
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint": "highest ended",  # what a wrong floor asks: tests put one in
}
STAYS_OPEN = 0.3
"""How often a machine is gone rather than a process killed: its connections then stay open for a while."""

_compiled: dict[str, Statement] = {}


def _statement(sql: str) -> Statement:
    if sql not in _compiled:  # they are module attributes, class attributes, closures: wherever they are, they exist
        _compiled.update((o.sql, o) for o in gc.get_objects() if isinstance(o, Statement))
    if sql not in _compiled:
        raise NotSimulated(f"text that was never a Core statement: {sql}")
    return _compiled[sql]


@cache
def label_of(sql: str) -> str:
    """The first words, for schedules."""
    words = sql.split()
    places = [i for i, word in enumerate(words) if word.upper() in {"FROM", "INTO", "UPDATE"} and i + 1 < len(words)]
    return f"{words[0]} {words[places[0] + 1]}" if places else " ".join(words[:3])


class Session:
    """One backend. `transaction`: the one that was begun, if any; a statement outside of one has its own."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.transaction: Transaction | None = None
        self.running: Transaction | None = None
        self.is_lost = False


class Server:
    """Outlives every process. `away`: nobody is let in and nobody is answered."""

    def __init__(self, hazards: Hazards, *schemas: MetaData) -> None:
        self.store = Store()
        self.hazards = hazards
        self.away = False
        self._sessions: set[Session] = set()
        self._advisory: dict[int, Session] = {}
        for table in [t for schema in schemas for t in schema.sorted_tables]:
            identity = next((c.key for c in table.columns if c.identity is not None), None)
            defaults = {c.key: default_of(c) for c in table.columns}
            self.store.tables[table.name] = StoredTable(table.name, uniques=uniques_of(table), identity=identity, defaults=defaults)

    def open(self, process: Process) -> Session:
        session = Session(process)
        self._sessions.add(session)
        return session

    def end(self, session: Session) -> None:
        """Its transaction is rolled back, its locks are free."""
        session.is_lost = True
        self._sessions.discard(session)
        self._advisory = {key: holder for key, holder in self._advisory.items() if holder is not session}
        for transaction in (session.transaction, session.running):
            if transaction is not None and not transaction.ended.done():
                transaction.roll_back()
        session.transaction = session.running = None

    def left_behind_by(self, process: Process) -> None:
        """A killed process closes its connections; a machine that is gone leaves them to the server's keep-alive."""
        sessions = [s for s in self._sessions if s.process is process]
        if self.hazards.is_over or self.hazards.random.random() >= STAYS_OPEN:
            for session in sessions:
                self.end(session)
        else:
            loop = asyncio.get_running_loop()
            for session in sessions:
                loop.call_later(KEEPALIVE_SECONDS, self.end, session, context=OF_NOBODY)

    def restart(self) -> None:
        for session in list(self._sessions):
            self.end(session)

    def end_idle_transactions(self, process: Process) -> None:
        for session in [s for s in self._sessions if s.process is process and s.transaction is not None]:
            self.end(session)

    async def execute(self, session: Session, sql: str, arguments: tuple[Any, ...]) -> tuple[Answer, str]:
        """Rows, and the tag that the driver gives for a statement without them."""
        if sql in {"COMMIT", "ROLLBACK"}:
            return [], _ended(session, sql)
        if session.transaction is not None and session.transaction.is_aborted:
            raise asyncpg.InFailedSQLTransactionError("current transaction is aborted, commands ignored until end of transaction block")
        if sql == "BEGIN":
            session.transaction = session.transaction or Transaction(self.store)  # a second one is a warning
            return [], "BEGIN"
        transaction = session.running = session.transaction or Transaction(self.store)
        try:
            answer, tag = await self._run(session, transaction, sql, arguments)
        except BaseException as error:
            if not isinstance(error, (asyncpg.PostgresError, asyncio.CancelledError, GeneratorExit)):
                self.hazards.loop.fail(error)  # what the simulation cannot do must not pass for a failure of the database
            if session.transaction is None and not transaction.ended.done():
                transaction.roll_back()
            transaction.is_aborted = True
            raise
        finally:
            session.running = None
        if session.transaction is None:
            transaction.commit()
        return answer, tag

    async def _run(self, session: Session, transaction: Transaction, sql: str, arguments: tuple[Any, ...]) -> tuple[Answer, str]:
        if sql in _BY_HEART:
            return self._by_heart(session, transaction, sql, arguments), "SELECT 1"
        prepared, names = _prepared(sql)
        scope = Scope(dict(zip(names, arguments, strict=True)), transaction, self.store, {})
        if isinstance(prepared, Query):
            rows = await prepared.run(scope)
            return rows, f"SELECT {len(rows)}"
        rows, count = await prepared.run(scope)
        return rows, f"WRITTEN {count}"

    def _by_heart(self, session: Session, transaction: Transaction, sql: str, arguments: tuple[Any, ...]) -> Answer:
        match _BY_HEART[sql]:
            case "alive":
                return [{"one": 1}]
            case "leader":
                return [{"locked": self._advisory.setdefault(arguments[0], session) is session}]
            case "last given":
                return [{"last": self.store.tables["outbox"].given}]
            case "own number":
                return [{"number": transaction.need_number()}]
            case "highest ended":
                return [{"number": self.store.xmax}]
            case _:
                ids = [row.values["id"] for row in self.store.tables["outbox"].rows.values() if row.values is not None]
                return [{"horizon": self.store.xmin, "lowest": min((number for number in ids if number > arguments[0]), default=None)}]


@cache
def _prepared(sql: str) -> tuple[Prepared, tuple[str, ...]]:
    statement = _statement(sql)
    core: Any = statement.core
    match core:
        case Select():
            return Query(core, frozenset()), statement.names
        case Insert():
            return Insertion(core), statement.names
        case Update() | Delete():
            return Change(core), statement.names
        case _:
            raise NotSimulated(sql)


def _ended(session: Session, how: str) -> str:
    transaction, session.transaction = session.transaction, None
    if transaction is None:
        return how
    if how == "COMMIT" and not transaction.is_aborted:
        transaction.commit()
        return "COMMIT"
    transaction.roll_back()
    return "ROLLBACK"


class Connection:
    """What the product sees of asyncpg."""

    def __init__(self, server: Server, process: Process) -> None:
        self._server = server
        self._process = process
        self._session = server.open(process)
        self._closed = False

    def is_closed(self) -> bool:
        return self._closed or self._process.dead

    def is_in_transaction(self) -> bool:
        return self._session.transaction is not None

    def terminate(self) -> None:
        self._closed = True
        self._server.end(self._session)

    async def close(self) -> None:
        if not self.is_closed():
            await self._server.hazards.before(self._process, "close connection")
            self.terminate()

    async def fetch(self, sql: str, *arguments: Any) -> Answer:
        return (await self._ask(sql, arguments))[0]

    async def fetchrow(self, sql: str, *arguments: Any) -> dict[str, Any] | None:
        rows = await self.fetch(sql, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        row = await self.fetchrow(sql, *arguments)
        return None if row is None else next(iter(row.values()))

    async def execute(self, sql: str, *arguments: Any) -> str:
        return (await self._ask(sql, arguments))[1]

    async def _ask(self, sql: str, arguments: tuple[Any, ...]) -> tuple[Answer, str]:
        hazards, label = self._server.hazards, label_of(sql)
        if self.is_closed():
            raise asyncpg.InterfaceError("connection is closed")
        await hazards.before(self._process, label)
        self._may_be_lost(hazards, f"connection lost before {label}")
        if hazards.strikes(hazards.rates.lost_statement) and sql not in {"BEGIN", "COMMIT", "ROLLBACK"}:
            hazards.count(self._process, "statement cancelled")
            if self._session.transaction is not None:
                self._session.transaction.is_aborted = True
            raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")
        answer = await self._server.execute(self._session, sql, arguments)
        await hazards.after(self._process, label)
        self._may_be_lost(hazards, f"connection lost after {label}")
        return answer

    def _may_be_lost(self, hazards: Hazards, what: str) -> None:
        if self._session.is_lost or self._server.away or hazards.strikes(hazards.rates.lost_connection):
            hazards.count(self._process, "connection lost")
            hazards.note(self._process, what)
            self.terminate()
            lost = hazards.random.choice(_LOST)()
            raise lost


class SimulatedDatabase:
    """Stands where `klaster_shared.db.engine.Database` stands in a process."""

    def __init__(self, server: Server, process: Process) -> None:
        self._server = server
        self._process = process
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        connection = await self._live()
        try:
            yield connection
        finally:
            if connection.is_closed() or connection.is_in_transaction():
                connection.terminate()
            else:
                self._idle.append(connection)

    async def _live(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self.dedicated()

    async def dedicated(self, **_: Any) -> Connection:
        if self._process.dead:
            raise DatabaseAway("The process is dead.")
        await self._server.hazards.before(self._process, "connect")
        if self._server.away:
            raise DatabaseAway("The database does not answer.")
        return Connection(self._server, self._process)

    async def answers(self, within: float = 2.0) -> bool:
        try:
            async with asyncio.timeout(within), self.connect() as connection:
                await connection.fetchval("SELECT 1")
        except DATABASE_FAILURES:
            return False
        return True
