"""State that only repeats what the log says, and can therefore be thrown away and built again.

The one rule: a projection's rows are a function of the messages alone, in the order of the log: no clock, no made-up id, nothing read
from other tables, and no other effect. What somebody was told, paid or promised is a record, never a projection.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, true

from klaster_shared.consuming.handling import Handlers

type Condition = Callable[[Table], ColumnElement[bool]]
"""Which rows of a table, asked of the table under whatever name it is read at the moment."""


def _every_row(_table: Table) -> ColumnElement[bool]:
    return true()


@dataclass(frozen=True, slots=True)
class Share:
    """The rows of a table that one consumer builds: all, unless other consumers build the rest."""

    table: Table
    rows: Condition = _every_row

    def __post_init__(self) -> None:
        made_up = [c.name for c in self.table.columns if c.identity is not None or c.computed is not None or c.server_default is not None]
        if made_up:
            raise TypeError(f"{self.table.name} leaves {', '.join(made_up)} to the database; a projection's rows follow from the messages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """`shares` in the order in which rows are written, a table before those that refer to it. Tables outside do not refer to any of them.

    `handlers` build it, by `ce_type`; they are given the messages in the order of the log.
    """

    shares: tuple[Share, ...]
    handlers: Handlers
