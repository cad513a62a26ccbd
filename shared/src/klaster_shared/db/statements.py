"""SQL is written in SQLAlchemy Core against the tables, compiled once, and executed by asyncpg.

The one rule: nothing outside this module knows how a Core statement becomes text and positional arguments.
"""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ARRAY, BindParameter, ColumnElement, Numeric, String, Table, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql import ClauseElement, Insert, Update
from sqlalchemy.sql.selectable import TableValuedAlias

from klaster_shared.db.engine import Connection

type Row = Any
"""An asyncpg record: values by column name."""

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]  # the dialect's constructor is untyped


class Statement:
    """A compiled statement. Parameters are the names of the Core statement's binds without a value; a missing or unknown one raises
    TypeError. A value given in Core, None included, is part of the statement.
    """

    __slots__ = ("_arguments", "core", "names", "sql")

    def __init__(self, statement: ClauseElement) -> None:
        self.core = statement
        compiled: Any = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        _refuse_silent_losses(compiled.binds.values())
        self.sql = str(compiled)
        self.names: tuple[str, ...] = tuple(compiled.positiontup or ())
        asked = frozenset(name for name, bind in compiled.binds.items() if bind.required)
        self._arguments = self._arranger(asked, {name: compiled.params[name] for name in self.names if name not in asked})

    def _arranger(self, asked: frozenset[str], literals: dict[str, Any]) -> Callable[[dict[str, Any]], list[Any]]:
        names = self.names

        def arrange(values: dict[str, Any]) -> list[Any]:
            if values.keys() != asked:
                missing, unknown = sorted(asked - values.keys()), sorted(values.keys() - asked)
                raise TypeError(f"statement parameters differ: missing {missing}, unknown {unknown}")
            if literals:
                values = literals | values
            return [values[name] for name in names]

        return arrange

    async def fetch(self, connection: Connection, **values: Any) -> list[Row]:
        rows: list[Row] = await connection.fetch(self.sql, *self._arguments(values))
        return rows

    async def fetchrow(self, connection: Connection, **values: Any) -> Row | None:
        return await connection.fetchrow(self.sql, *self._arguments(values))

    async def fetchval(self, connection: Connection, **values: Any) -> Any:
        return await connection.fetchval(self.sql, *self._arguments(values))

    async def execute(self, connection: Connection, **values: Any) -> int:
        """The number of rows written."""
        tag: str = await connection.execute(self.sql, *self._arguments(values))
        return int(tag.rpartition(" ")[2])


def _refuse_silent_losses(binds: Iterable[BindParameter[Any]]) -> None:
    """Every parameter is cast to its type, and PostgreSQL rounds and cuts in a cast without a word: `1.005::numeric(18,2)` is
    1.01, `ARRAY['toolong']::varchar(5)[]` is `{toolo}`. What a value may be is for the domain and the table to check.
    """
    for bind in binds:
        kind, in_array = (bind.type.item_type, True) if isinstance(bind.type, ARRAY) else (bind.type, False)
        rounds = isinstance(kind, Numeric) and kind.scale is not None
        cuts = in_array and isinstance(kind, String) and kind.length is not None
        if rounds or cuts:
            raise TypeError(f"parameter {bind.key} is cast to {kind!r}, which changes values silently; leave the size out of the type")


def insert_of(table: Table, *omit: str) -> Insert:
    """INSERT of every column but `omit`; the parameters are the column names."""
    return table.insert().values({c.name: bindparam(c.name, type_=c.type) for c in table.columns if c.name not in omit})


def versioned_update(table: Table, *constant: str) -> Update:
    """UPDATE of every column but the primary key and `constant`, only while `version` is `expected_version`; the row is `key`."""
    fixed = {c.name for c in table.primary_key} | set(constant)
    (key,) = table.primary_key.columns
    return (
        table.update()
        .where(key == bindparam("key", type_=key.type), table.c.version == bindparam("expected_version", type_=table.c.version.type))
        .values({c.name: bindparam(c.name, type_=c.type) for c in table.columns if c.name not in fixed})
    )


def rows_of(columns: Iterable[ColumnElement[Any]], name: str = "given") -> TableValuedAlias:
    """`unnest($1, $2, …) WITH ORDINALITY`: one array parameter per column, named like the column, any number of rows."""
    listed = list(columns)
    arrays = [bindparam(str(c.key), type_=ARRAY(c.type)) for c in listed]
    valued = func.unnest(*arrays).table_valued(*[column(str(c.key), c.type) for c in listed], with_ordinality="ordinality", name=name)
    return valued.render_derived()


def insert_rows(table: Table, *names: str) -> Insert:
    """One INSERT for any number of rows, ids given in the order of the arrays (parameters: column name → list)."""
    given = rows_of([table.c[name] for name in names])
    return table.insert().from_select(list(names), select(*[given.c[name] for name in names]).order_by(given.c.ordinality))
