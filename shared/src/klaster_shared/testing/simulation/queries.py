"""SELECT, INSERT, UPDATE and DELETE on the stored tables, as PostgreSQL runs them under READ COMMITTED.

The one rule: a statement sees what was committed when it began. Where it has to wait for a row's lock it looks at that row again,
and only at that row: everything else it has read stays as it was. Whoever locks and decides in one statement falls into that
trap here as there.
"""

from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
from sqlalchemy import Delete, Insert, Select, Table, UniqueConstraint, Update
from sqlalchemy.dialects.postgresql.dml import OnConflictDoNothing
from sqlalchemy.sql import functions, operators, visitors
from sqlalchemy.sql.elements import Label, UnaryExpression
from sqlalchemy.sql.selectable import Alias, FromClause, Join, Subquery, TableValuedAlias

from klaster_shared.testing.simulation.expressions import Evaluate, NotSimulated, Preparation, Scope, stored
from klaster_shared.testing.simulation.storage import Row, StoredTable, Strength, Transaction, Values

type Answer = list[Values]
type Match = tuple[Scope, dict[FromClause, Row]]
"""Where every FROM element stands, and the stored rows it stands on."""

_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "sum": lambda values: sum(values) if values else None,
}


def _sources(clause: Any) -> Iterator[tuple[FromClause, Any]]:
    """The plain FROM elements of one, each with the ON that joins it."""
    if isinstance(clause, Join):
        if clause.isouter or clause.full:
            raise NotSimulated("an outer join")
        yield from _sources(clause.left)
        (right, none), *more = list(_sources(clause.right))
        if more or none is not None:
            raise NotSimulated("a nested join")
        yield right, clause.onclause
    else:
        yield clause, None


def table_of(source: Any) -> Table | None:
    """The stored table behind a FROM element."""
    if isinstance(source, Table):
        return source
    if isinstance(source, Alias) and isinstance(source.element, Table):
        return source.element
    return None


def uniques_of(table: Table) -> list[tuple[str, ...]]:
    """The columns of the primary key and of each unique constraint."""
    constraints = sorted((u for u in table.constraints if isinstance(u, UniqueConstraint)), key=lambda u: str(u.name))
    return [tuple(c.key for c in table.primary_key), *(tuple(c.key for c in u.columns) for u in constraints)]


class Source:
    """One FROM element. A look at it gives rows of values, and the stored row where there is one."""

    def __init__(self, element: Any, prepare: Preparation) -> None:
        self.element = element
        table = table_of(element)
        self._query: Query | None = None
        self._table = None if table is None else table.name
        if self._table is not None:
            return
        if isinstance(element, Subquery):
            self._query = Query(element.element, frozenset())  # type: ignore[arg-type]  # refused below if it is no SELECT
        elif isinstance(element, TableValuedAlias):
            function: Any = element.element
            if function.name != "unnest":
                raise NotSimulated(f"rows of {function.name}")
            self._arrays = [prepare(clause) for clause in function.clauses]
            self._names = [c.key for c in element.c]
        else:
            raise NotSimulated(f"FROM {type(element).__name__}")

    def look(self, scope: Scope) -> Iterator[tuple[Values, Row | None]]:
        if self._table is not None:
            for row in list(scope.store.tables[self._table].rows.values()):
                values = row.seen_by(scope.transaction, scope.snapshot)
                if values is not None:
                    yield values, row
        elif self._query is not None:
            for values in self._query.answer(scope, self._query.matched(scope)):
                yield values, None
        else:
            columns = [[stored(v) for v in array(scope)] for array in self._arrays]
            for number, given in enumerate(zip(*columns, strict=True), 1):
                yield dict(zip(self._names, (*given, number), strict=True)), None


class Query:
    """A prepared SELECT."""

    def __init__(self, select: Select[Any], outer: frozenset[FromClause]) -> None:
        if select._having_criteria or select._distinct or select._offset_clause is not None:  # noqa: SLF001 - Core has no other way to ask
            raise NotSimulated(f"HAVING, DISTINCT or OFFSET: {select}")
        joined = [pair for clause in select.get_final_froms() for pair in _sources(clause) if pair[0] not in outer]
        prepare = Preparation(Query, outer | {element for element, _ in joined})
        self._sources = [Source(element, prepare) for element, _ in joined]
        criteria = [on for _, on in joined if on is not None] + list(select._where_criteria)  # noqa: SLF001 - same
        self._where = [prepare(criterion) for criterion in criteria]
        self._columns = [_column(column, prepare) for column in select.selected_columns]
        self._groups = [prepare(clause) for clause in select._group_by_clauses]  # noqa: SLF001 - same
        self._is_aggregate = bool(self._groups) or any(aggregate is not None for _, _, aggregate in self._columns)
        self._order = [_ordering(clause, prepare) for clause in select._order_by_clauses]  # noqa: SLF001 - same
        self._limit = None if select._limit_clause is None else prepare(select._limit_clause)  # noqa: SLF001 - same
        self._locking = select._for_update_arg  # noqa: SLF001 - same
        self._locked = [] if self._locking is None else self._of(self._locking, [s.element for s in self._sources])

    def _of(self, locking: Any, elements: list[Any]) -> list[Any]:
        of = [getattr(column, "table", column) for column in locking.of or ()]
        return [e for e in elements if table_of(e) is not None and (not of or e in of)]

    @property
    def _strength(self) -> Strength:
        locking: Any = self._locking
        if locking.read:
            return Strength.KEY_SHARE if locking.key_share else Strength.SHARE
        return Strength.NO_KEY_UPDATE if locking.key_share else Strength.UPDATE

    def matches(self, scope: Scope) -> Iterator[Match]:
        """In no order."""
        yield from self._walk(scope, 0, {})

    def _walk(self, scope: Scope, depth: int, rows: dict[FromClause, Row]) -> Iterator[Match]:
        if depth == len(self._sources):
            if self._holds(scope):
                yield scope, rows
            return
        source = self._sources[depth]
        for values, row in source.look(scope):
            yield from self._walk(scope.at(source.element, values), depth + 1, rows if row is None else {**rows, source.element: row})

    def _holds(self, scope: Scope) -> bool:
        return all(criterion(scope) is True for criterion in self._where)

    def matched(self, scope: Scope) -> list[Match]:
        """Ordered and cut; nothing is locked."""
        return self._cut(self._ordered(list(self.matches(scope))), scope)

    async def locked(self, scope: Scope) -> list[Match]:
        """Ordered, each row locked and looked at again if somebody has changed it since the statement began, then cut."""
        if self._locking is None:
            return self.matched(scope)
        limit = None if self._limit is None else self._limit(scope)
        kept: list[Match] = []
        for match in self._ordered(list(self.matches(scope))):
            if limit is not None and len(kept) == limit:
                break
            again = await self._lock(match)
            if again is not None:
                kept.append(again)
        return kept

    async def _lock(self, match: Match) -> Match | None:
        scope, rows = match
        for element in self._locked:
            row = rows[element]
            if self._locking is not None and self._locking.skip_locked and not scope.transaction.could_lock(row, self._strength):
                return None
            await scope.transaction.lock(row, self._strength)
            newest = row.newest_for(scope.transaction)
            if newest is None:
                return None
            if row.since > scope.snapshot:
                scope = scope.at(element, newest)
                if not self._holds(scope):
                    return None
        return scope, rows

    def _ordered(self, matches: list[Match]) -> list[Match]:
        for evaluate, descending in reversed(self._order):

            def rank(match: Match, evaluate: Evaluate = evaluate) -> tuple[bool, Any]:
                value = evaluate(match[0])
                return value is None, value

            matches.sort(key=rank, reverse=descending)
        return matches

    def _cut(self, matches: list[Match], scope: Scope) -> list[Match]:
        return matches if self._limit is None else matches[: self._limit(scope)]

    def answer(self, scope: Scope, matches: list[Match]) -> Answer:
        if not self._is_aggregate:
            return [{name: evaluate(at) for name, evaluate, _ in self._columns} for at, _ in matches]
        groups: dict[Any, list[Scope]] = {} if self._groups else {(): []}
        for at, _ in matches:
            groups.setdefault(tuple(group(at) for group in self._groups), []).append(at)
        return [
            {
                name: evaluate(of[0] if of else scope) if aggregate is None else aggregate([v for at in of if (v := evaluate(at)) is not None])
                for name, evaluate, aggregate in self._columns
            }
            for of in groups.values()
        ]

    async def run(self, scope: Scope) -> Answer:
        return self.answer(scope, await self.locked(scope))


type OutputColumn = tuple[str, Evaluate, Callable[[list[Any]], Any] | None]


def _column(column: Any, prepare: Preparation) -> OutputColumn:
    if str(column) == "*":  # of an EXISTS, which looks at no column
        return "*", lambda _: None, None
    name = column.key if isinstance(column, Label) or not hasattr(column, "name") else column.name
    inner = column.element if isinstance(column, Label) else column
    kind = getattr(inner, "name", "").lower() if isinstance(inner, functions.FunctionElement) else ""
    if kind in _AGGREGATES:
        arguments = list(inner.clauses)
        if not arguments or str(arguments[0]) == "*":
            return name, lambda _: 1, _AGGREGATES[kind]
        return name, prepare(arguments[0]), _AGGREGATES[kind]
    return name, prepare(column), None


def _ordering(clause: Any, prepare: Preparation) -> tuple[Evaluate, bool]:
    if isinstance(clause, UnaryExpression) and clause.modifier in {operators.desc_op, operators.asc_op}:
        return prepare(clause.element), clause.modifier is operators.desc_op
    return prepare(clause), False


class Insertion:
    """A prepared INSERT. Without ON CONFLICT DO NOTHING a duplicate is an error; with it, it is left out. In both cases whoever is
    about to write the same key is waited for.
    """

    def __init__(self, insert: Insert) -> None:
        table: Any = insert.table
        self._columns = [c.key for c in table.columns]
        conflict: Any = insert._post_values_clause  # noqa: SLF001 - Core has no other way to ask
        if conflict is not None and not isinstance(conflict, OnConflictDoNothing):
            raise NotSimulated("ON CONFLICT DO UPDATE")
        self._ignores = conflict is not None
        outer = Preparation(Query, frozenset())
        self._query: Query | None = None
        selected: Any = insert.select
        if selected is not None:
            self._query = Query(selected, frozenset())
            self._names = [getattr(name, "key", name) for name in insert._select_names or ()]  # noqa: SLF001 - same
        else:
            given: Any = insert._values  # noqa: SLF001 - same
            self._values = {getattr(c, "key", c): outer(v) for c, v in (given or {}).items()}
        within = outer.within(frozenset({table}))
        self._table = table
        self._returning = [_column(column, within) for column in insert._returning]  # noqa: SLF001 - same

    async def run(self, scope: Scope) -> tuple[Answer, int]:
        kept: StoredTable = scope.store.tables[self._table.name]
        inserted: list[Values] = []
        for given in await self._given(scope):
            values = {**dict.fromkeys(self._columns), **kept.defaults, **given}
            if kept.identity is not None:
                values[kept.identity] = kept.next_identity()
            if await self._has_room(kept, scope.transaction, values):
                scope.transaction.write(kept.add(values), values)
                inserted.append(values)
        returned = [{name: evaluate(scope.at(self._table, values)) for name, evaluate, _ in self._returning} for values in inserted]
        return returned, len(inserted)

    async def _given(self, scope: Scope) -> list[Values]:
        if self._query is None:
            return [{name: stored(evaluate(scope)) for name, evaluate in self._values.items()}]
        rows = await self._query.run(scope)
        return [dict(zip(self._names, row.values(), strict=True)) for row in rows]

    async def _has_room(self, kept: StoredTable, transaction: Transaction, values: Values) -> bool:
        while True:
            busy: Transaction | None = None
            for row in kept.claimants(values):
                if row.writer is not None and row.writer is not transaction:
                    busy = row.writer
                elif row.newest_for(transaction) is not None:
                    if self._ignores:
                        return False
                    raise asyncpg.UniqueViolationError(f"duplicate key value violates a unique constraint of {kept.name}")
            if busy is None:
                return True
            transaction.need_number()
            await transaction.wait_for([busy])


class Change:
    """A prepared UPDATE or DELETE."""

    def __init__(self, change: Update | Delete) -> None:
        table: Any = change.table
        self._table = table
        criteria = change._where_criteria  # noqa: SLF001 - Core has no other way to ask
        given: Any = (change._values or {}) if isinstance(change, Update) else {}  # noqa: SLF001 - same
        others = _others([*criteria, *given.values()], table)
        prepare = Preparation(Query, frozenset({table, *others}))
        self._others = [Source(other, prepare) for other in others]
        self._where = [prepare(criterion) for criterion in criteria]
        self._values: dict[str, Evaluate] | None = None
        if isinstance(change, Update):
            self._values = {getattr(c, "key", c): prepare(v) for c, v in given.items()}
            if {c for columns in uniques_of(table) for c in columns} & self._values.keys():
                raise NotSimulated(f"a change of what is unique in {table.name}")
        self._strength = Strength.UPDATE if self._values is None else Strength.NO_KEY_UPDATE
        self._returning = [_column(column, prepare) for column in change._returning]  # noqa: SLF001 - same

    async def run(self, scope: Scope) -> tuple[Answer, int]:
        returned: Answer = []
        changed = 0
        for row, at in list(self._matches(scope)):
            await scope.transaction.lock(row, self._strength)
            newest = row.newest_for(scope.transaction)
            if newest is None:
                continue
            again = at.at(self._table, newest)
            if row.since > scope.snapshot and not self._holds(again):
                continue
            values = None if self._values is None else {**newest, **{name: stored(evaluate(again)) for name, evaluate in self._values.items()}}
            scope.transaction.write(row, values)
            changed += 1
            after = again if values is None else again.at(self._table, values)
            returned.append({name: evaluate(after) for name, evaluate, _ in self._returning})
        return returned if self._returning else [], changed

    def _matches(self, scope: Scope) -> Iterator[tuple[Row, Scope]]:
        """Each row of the table once, with the first rows of the others that fit."""
        for row in list(scope.store.tables[self._table.name].rows.values()):
            values = row.seen_by(scope.transaction, scope.snapshot)
            if values is not None:
                fitting = next((at for at in self._with_others(scope.at(self._table, values), 0) if self._holds(at)), None)
                if fitting is not None:
                    yield row, fitting

    def _with_others(self, scope: Scope, depth: int) -> Iterator[Scope]:
        if depth == len(self._others):
            yield scope
            return
        other = self._others[depth]
        for values, _ in other.look(scope):
            yield from self._with_others(scope.at(other.element, values), depth + 1)

    def _holds(self, scope: Scope) -> bool:
        return all(criterion(scope) is True for criterion in self._where)


def _others(expressions: list[Any], table: Any) -> list[Any]:
    """FROM elements that an UPDATE's or DELETE's expressions speak of besides its table; those of inner queries are theirs."""
    found: dict[Any, None] = {}
    for expression in expressions:
        for element in visitors.iterate(expression):
            if isinstance(element, TableValuedAlias):
                found[element] = None
            source = getattr(element, "table", None)
            if isinstance(source, TableValuedAlias):
                found[source] = None
    found.pop(table, None)
    return list(found)
