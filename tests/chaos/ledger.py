"""What clients were told: one line per command, written when its answer has come.

The one rule: **a line is on disk before anybody acts on the answer**, so nothing that was acknowledged can be missing here. The verifier
reads these lines and nothing of what else the load generator knows.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`status` of the final answer; None: nobody knows whether it had its effect. `tries` made under the one `key`."""

    service: str
    method: str
    path: str
    key: str
    body: Json | None
    tries: int
    status: int | None
    answer: Json | None
    etag: str | None

    @property
    def acknowledged(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Ledger:
    """A file of JSON lines; a context manager, because the file stays open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, command: Command) -> None:
        """Appended and handed to the operating system: this process may end, the machine does not."""
        assert self._file is not None, "the ledger is closed"
        self._file.write(json.dumps({"at": datetime.now(UTC).isoformat(), **asdict(command)}, ensure_ascii=False) + "\n")
        self._file.flush()
        self.counts[outcome(command.status)] += 1


def outcome(status: int | None) -> str:
    if status is None:
        return "unknown"
    return "acknowledged" if status < 300 else "refused"
