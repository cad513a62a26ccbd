"""The independent record of what was asked of the system and what it answered: one JSON object a line.

    {"at", "service", "method", "path", "key", "body", "tries", "status", "answer", "etag"}

The one rule: it is written by whoever sends the commands, when an answer has come, and knows nothing of what happens behind it.
`status` null is a command nobody answered: it may have happened, at most once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from klaster_local.verifying.failures import CannotLook

ACCEPTED: Final = range(200, 300)
REFUSED: Final = range(400, 500)
CREATED: Final = 201
PUBLISHED: Final = "PUBLISH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`key` is its Idempotency-Key, the same for all tries, and the correlation id of all that it sets off; of a published message, its `ce_id`."""

    service: str
    method: str
    path: str
    key: str
    status: int | None
    answer: Mapping[str, Any]
    version: int | None

    @property
    def is_http(self) -> bool:
        return self.method != PUBLISHED

    @property
    def acknowledged(self) -> bool:
        return self.status in ACCEPTED

    @property
    def refused(self) -> bool:
        return self.status in REFUSED

    @property
    def resource(self) -> UUID | None:
        try:
            return UUID(str(self.answer.get("id")))
        except ValueError:
            return None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path} ({self.key})"


def read_ledger(path: Path) -> Sequence[Command]:
    """A last line that was cut off by a crash of its writer is no line.

    Raises:
        CannotLook: the file cannot be read, or a line is no entry of a ledger.
    """
    try:
        *lines, rest = path.read_text().split("\n")
        return [_command(json.loads(line)) for line in [*lines, *([rest] if rest.endswith("}") else [])]]
    except OSError as error:
        raise CannotLook(f"The ledger {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotLook(f"The ledger {path} holds a line that is none of a ledger: {type(error).__name__}.") from error


def _command(line: Mapping[str, Any]) -> Command:
    etag, answer = line.get("etag"), line.get("answer")
    return Command(
        service=line["service"],
        method=line["method"],
        path=line["path"],
        key=line["key"],
        status=line["status"],
        answer=answer if isinstance(answer, dict) else {},
        version=None if not etag else int(etag.removeprefix("W/").strip('"')),
    )
