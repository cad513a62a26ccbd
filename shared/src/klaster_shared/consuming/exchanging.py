"""The tables of a projection, twice: as everybody reads them, and beside them the ones being built, under the same names.

The one rule: a temporary table goes before all others of its name, for the session that made it alone. Handlers write by name and never know.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import MetaData, Table, Text, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import ClauseElement

from klaster_shared.consuming.projections import Share
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Statement

_BESIDE: Final = "pg_temp"
_SAME_TEXT: Final = {"TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "iso_8601", "bytea_output": "hex", "extra_float_digits": "1"}
"""The text of a value depends on the session; a checksum must not."""


@dataclass(frozen=True, slots=True)
class State:
    """`checksum`: SHA-256 over the sorted MD5 sums of the rows: the same rows give the same one, in whatever order and in whichever database."""

    rows: int
    checksum: str

    def as_json(self) -> dict[str, Any]:
        return {"rows": self.rows, "checksum": self.checksum}


class Exchange:
    """Works on one connection, which `open` has prepared."""

    def __init__(self, shares: Sequence[Share], *, beside: Sequence[Table] = ()) -> None:
        """`beside`: further tables that handlers' surroundings write to while building, of which nothing is taken over."""
        self._shares = shares
        self._beside = beside
        self._schema = ""

    async def open(self, connection: Connection) -> None:
        for setting, value in _SAME_TEXT.items():
            await connection.execute("SELECT set_config($1, $2, false)", setting, value)
        self._schema = await connection.fetchval("SELECT current_schema()")
        for table in (*[share.table for share in self._shares], *self._beside):
            source = f"{_quoted(self._schema)}.{_quoted(table.name)}"
            await connection.execute(f"CREATE TEMPORARY TABLE {_quoted(table.name)} (LIKE {source} INCLUDING CONSTRAINTS INCLUDING INDEXES)")

    async def analyse(self, connection: Connection) -> None:
        """Temporary tables are nobody's else, so nobody else gathers their statistics."""
        for share in self._shares:
            await connection.execute(f"ANALYZE {_BESIDE}.{_quoted(share.table.name)}")

    async def states(self, connection: Connection) -> tuple[dict[str, State], dict[str, State]]:
        """Of the tables that everybody reads, and of those built beside them.

        Raises:
            RuntimeError: a handler wrote rows that its consumer does not declare as its share.
        """
        real = {share.table.name: await _state(connection, share, self._schema) for share in self._shares}
        built = {share.table.name: await _state(connection, share, _BESIDE) for share in self._shares}
        for share in self._shares:
            everything = await Statement(select(func.count()).select_from(_named(share.table, _BESIDE))).fetchval(connection)
            if everything != built[share.table.name].rows:
                raise RuntimeError(f"a handler wrote rows of {share.table.name} beyond its consumer's share")
        return real, built

    async def replace(self, connection: Connection) -> None:
        """The rows that everybody reads become those that were built, in the transaction of the caller.

        DELETE and not TRUNCATE: who reads meanwhile goes on seeing the old rows, waits for nobody, and then sees the new ones.
        """
        for share in reversed(self._shares):
            real = _named(share.table, self._schema)
            await Statement(real.delete().where(share.rows(real))).execute(connection)
        for share in self._shares:
            real, built = _named(share.table, self._schema), _named(share.table, _BESIDE)
            names = [c.name for c in share.table.columns]
            await Statement(real.insert().from_select(names, select(*[built.c[name] for name in names]))).execute(connection)


async def _state(connection: Connection, share: Share, schema: str) -> State:
    row = await Statement(_summing(share, schema)).fetchrow(connection)
    if row is None:
        raise LookupError("an aggregate without groups has a row")
    return State(rows=row["rows"], checksum=row["checksum"])


def _summing(share: Share, schema: str) -> ClauseElement:
    table = _named(share.table, schema)
    row = func.row(*[table.c[name] for name in sorted(c.name for c in table.columns)])
    digest = func.md5(cast(row, Text)).collate("C")
    digests = func.string_agg(digest, aggregate_order_by(literal_column("''"), digest))
    checksum = func.encode(func.sha256(func.convert_to(func.coalesce(digests, ""), "UTF8")), "hex")
    return select(func.count().label("rows"), checksum.label("checksum")).select_from(table).where(share.rows(table))


def _named(table: Table, schema: str) -> Table:
    return table.to_metadata(MetaData(), schema=schema)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
