"""Rows, locks and transactions as PostgreSQL keeps them under READ COMMITTED, in memory.

The one rule: a change is a pending value of its row until its transaction ends, and every older value stays readable for the
statements that began before. Sources: PostgreSQL's documentation, "Explicit Locking" (row-level locks and their conflicts),
"Transaction Isolation" (READ COMMITTED), `pg_snapshot`.
"""

import asyncio
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any

import asyncpg

type Values = dict[str, Any]

LOCK_TIMEOUT_SECONDS = 10.0


class Strength(IntEnum):
    """Of a row lock, in PostgreSQL's order."""

    KEY_SHARE = 0
    SHARE = 1
    NO_KEY_UPDATE = 2
    UPDATE = 3


_CONFLICTS = {
    Strength.KEY_SHARE: {Strength.UPDATE},
    Strength.SHARE: {Strength.NO_KEY_UPDATE, Strength.UPDATE},
    Strength.NO_KEY_UPDATE: {Strength.SHARE, Strength.NO_KEY_UPDATE, Strength.UPDATE},
    Strength.UPDATE: set(Strength),
}


class Row:
    """`values`: as last committed, None: not there. `writer`: the transaction whose change is `pending`. `origin`: as it was inserted;
    what is unique never changes.
    """

    __slots__ = ("locks", "number", "older", "origin", "pending", "since", "table", "values", "writer")

    def __init__(self, table: "StoredTable", number: int, origin: Values) -> None:
        self.table = table
        self.number = number
        self.origin = origin
        self.values: Values | None = None
        self.since = 0
        self.older: list[tuple[int, Values | None]] = []
        self.writer: Transaction | None = None
        self.pending: Values | None = None
        self.locks: dict[Transaction, Strength] = {}

    def seen_by(self, transaction: "Transaction", snapshot: int) -> Values | None:
        """As a statement of the transaction sees it whose snapshot was taken after that many commits."""
        if self.writer is transaction:
            return self.pending
        if self.since <= snapshot:
            return self.values
        return next((values for since, values in self.older if since <= snapshot), None)

    def newest_for(self, transaction: "Transaction") -> Values | None:
        return self.pending if self.writer is transaction else self.values


class StoredTable:
    """`uniques`: the columns of each unique constraint, the primary key first. `identity`: the column that a sequence fills."""

    def __init__(self, name: str, *, uniques: list[tuple[str, ...]], identity: str | None, defaults: Values) -> None:
        self.name = name
        self.uniques = uniques
        self.identity = identity
        self.defaults = defaults
        self.given = 0
        self.rows: dict[int, Row] = {}
        self._made = 0
        self._keys: list[dict[tuple[Any, ...], list[Row]]] = [{} for _ in uniques]

    def next_identity(self) -> int:
        self.given += 1
        return self.given

    def claimants(self, values: Values) -> list[Row]:
        """Rows that stand, or stood, or may come to stand, where a unique constraint allows one."""
        found: list[Row] = []
        for columns, index in zip(self.uniques, self._keys, strict=True):
            found += index.get(tuple(values[c] for c in columns), ())
        return found

    def by_key(self, key: tuple[Any, ...]) -> Iterable[Row]:
        return self._keys[0].get(key, ())

    def add(self, values: Values) -> Row:
        self._made += 1
        row = self.rows[self._made] = Row(self, self._made, values)
        for columns, index in zip(self.uniques, self._keys, strict=True):
            index.setdefault(tuple(values[c] for c in columns), []).append(row)
        return row

    def forget(self, row: Row) -> None:
        del self.rows[row.number]
        for columns, index in zip(self.uniques, self._keys, strict=True):
            key = tuple(row.origin[c] for c in columns)
            index[key].remove(row)
            if not index[key]:
                del index[key]


class Transaction:
    """`number`: its xid, given at its first change or lock. `ended` is done with it, however it ends."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self.number: int | None = None
        self.is_aborted = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._written: dict[Row, None] = {}
        self._locked: dict[Row, None] = {}
        self._waits_for: list[Transaction] = []

    def need_number(self) -> int:
        if self.number is None:
            self.number = self._store.new_number()
        return self.number

    def could_lock(self, row: Row, strength: Strength) -> bool:
        return not self._blockers(row, strength)

    def _blockers(self, row: Row, strength: Strength) -> list["Transaction"]:
        return [t for t, held in row.locks.items() if t is not self and held in _CONFLICTS[strength]]

    async def lock(self, row: Row, strength: Strength) -> None:
        """
        Raises:
            asyncpg.PostgresError: a deadlock, or the lock could not be had in time.
        """
        while blockers := self._blockers(row, strength):
            await self.wait_for(blockers)
        self.need_number()
        row.locks[self] = max(strength, row.locks.get(self, strength))
        self._locked[row] = None

    async def wait_for(self, others: list["Transaction"]) -> None:
        self._waits_for = others
        try:
            if self._is_waited_for_by(others):
                raise asyncpg.DeadlockDetectedError("deadlock detected")
            self._store.waiting += 1
            try:
                await asyncio.wait([others[0].ended, self.ended], timeout=LOCK_TIMEOUT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._store.waiting -= 1
            if self.ended.done():
                raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
            if not others[0].ended.done():
                raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout")
        finally:
            self._waits_for = []

    def _is_waited_for_by(self, others: Iterable["Transaction"]) -> bool:
        return any(other is self or self._is_waited_for_by(other._waits_for) for other in others)  # noqa: SLF001 - of the same kind

    def write(self, row: Row, values: Values | None) -> None:
        """The row is locked by this transaction, or new. None deletes it."""
        self.need_number()
        row.locks[self] = Strength.UPDATE if values is None else max(Strength.NO_KEY_UPDATE, row.locks.get(self, Strength.NO_KEY_UPDATE))
        row.writer, row.pending = self, values
        self._written[row] = None
        self._locked[row] = None

    def commit(self) -> None:
        if self._written:
            self._store.commits += 1
        for row in self._written:
            self._store.look(row)
            row.older.insert(0, (row.since, row.values))
            row.values, row.since = row.pending, self._store.commits
            self._tidy(row)
        self._end()

    def roll_back(self) -> None:
        for row in self._written:
            if row.values is None and not row.older:
                row.table.forget(row)
        self._end()

    def _tidy(self, row: Row) -> None:
        if self._store.waiting:
            return  # a statement that waits for a lock may still look at what was
        row.older.clear()
        if row.values is None:
            row.table.forget(row)

    def _end(self) -> None:
        for row in self._written:
            row.writer = row.pending = None
        for row in self._locked:
            row.locks.pop(self, None)
        self._store.ended(self)
        if not self.ended.done():
            self.ended.set_result(None)


class Store:
    """One database. `commits` is its history's length; `waiting`: statements that wait for a lock and hold a snapshot; `look` is called
    with each row whose pending values are being committed.
    """

    def __init__(self) -> None:
        self.look: Callable[[Row], None] = lambda _row: None
        self.tables: dict[str, StoredTable] = {}
        self.commits = 0
        self.waiting = 0
        self._numbers = 0
        self._highest_ended = 0
        self._running: set[int] = set()

    def new_number(self) -> int:
        self._numbers += 1
        self._running.add(self._numbers)
        return self._numbers

    def ended(self, transaction: Transaction) -> None:
        if transaction.number is not None:
            self._running.discard(transaction.number)
            self._highest_ended = max(self._highest_ended, transaction.number)

    @property
    def xmax(self) -> int:
        """One past the highest number that has ended; a running transaction may have a greater one."""
        return self._highest_ended + 1

    @property
    def xmin(self) -> int:
        """The lowest number that still runs, of those below `xmax`."""
        return min([n for n in self._running if n < self.xmax], default=self.xmax)
