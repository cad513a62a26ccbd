"""The one style of all tables that people see: no lines, one row per thing; where room is scarce, one column gives way and the others do not."""

from typing import Literal

from rich.table import Table
from rich.text import Text


def table(title: str, *columns: str, right: tuple[str, ...] = (), yielding: tuple[str, ...] = ()) -> Table:
    """`right` names the columns of numbers, `yielding` those that become narrower when there is no room: their text wraps, unless it is `cut`."""
    made = _plain(title)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        made.add_column(column, justify=justify, no_wrap=column not in yielding, overflow="fold" if column in yielding else "ellipsis")
    return made


def cut(text: str) -> Text:
    """Text for a yielding column that stays on one line."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def pairs(title: str = "", *, right: bool = False) -> Table:
    """Names with what belongs to them; `right`: the names are numbers."""
    made = _plain(title)
    made.show_header = False
    made.add_column(justify="right" if right else "left", no_wrap=True)
    made.add_column(overflow="fold")
    return made


def _plain(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
