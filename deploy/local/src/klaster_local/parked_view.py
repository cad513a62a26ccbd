"""Parked messages and the acts on them as people read them.

The one rule: one message, one line, however narrow the terminal; the whole of it is what `klaster parked show` is for.
"""

import re
from collections.abc import Iterable
from typing import Final

from rich.table import Table

from klaster_local.endpoints import Json
from klaster_local.tables import cut, table

_TYPE: Final = re.compile(r".*\.(?P<name>[^.]+)\.v\d+")


def parked_view(rows: Iterable[Json]) -> Table:
    """`rows` are those of `/admin/parked`, each with its service."""
    found = table("", "id", "consumer", "type", "key", "state", "reason", yielding=("consumer", "type", "key", "reason"))
    for row in rows:
        found.add_row(
            f"{row['service']}:{row['id']}",
            cut(row["consumer"]),
            cut(short_type(row["type"])),
            cut(row["key"] or ""),
            row["state"],
            cut(row["reason"]),
        )
    return found


def acts_view(rows: Iterable[Json]) -> Table:
    """`rows` are those of `/admin/acts`, each with its service; subject and reason may take several lines."""
    found = table("", "when", "who", "act", "consumer", "about", "why", yielding=("who", "consumer", "about", "why"))
    for row in rows:
        consumer = row["consumer"] if "." in row["consumer"] else " ".join(word for word in (row["service"], row["consumer"]) if word)
        found.add_row(row["at"][:19].replace("T", " "), row["actor"], row["action"], consumer, row["subject"], row["reason"] or "")
    return found


def short_type(ce_type: str | None) -> str:
    """`pl.lifescience.events.EventApproved.v1` is EventApproved to people; what has another form stays as it is."""
    found = _TYPE.fullmatch(ce_type or "")
    return found["name"] if found else ce_type or ""
