"""The JSON Schema of every message, and the committed copies against which each change of a model is measured.

The one rule: a committed schema is a promise. `--write` records additive changes and refuses breaking ones, which need a new class
with the next version instead; `--check` refuses any difference. Services serve `schema_of`, so they need no files at run time.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, override

from pydantic.json_schema import GenerateJsonSchema

from klaster_shared.contracts.compatibility import breaking_differences
from klaster_shared.contracts.registry import MessageType, all_messages

COMMITTED: Final = Path("shared/schemas")
"""In a checkout, seen from its root."""


class WireSchema(GenerateJsonSchema):
    """Without the titles that pydantic makes up from field names."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(kind: MessageType) -> dict[str, Any]:
    """The schema (JSON Schema 2020-12) of a message body as a reader takes it: fields with a default may be missing."""
    body = kind.model.model_json_schema(schema_generator=WireSchema)
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": kind.ce_dataschema, **body}


def schema_text(kind: MessageType) -> str:
    return json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n"


def file_name(kind: MessageType) -> str:
    return f"{kind.schema_name}.{kind.version}.json"


@dataclass(frozen=True, slots=True)
class Report:
    """`outdated` are files to be written, `breaking` sentences that forbid it."""

    outdated: tuple[str, ...]
    breaking: tuple[str, ...]


def compare(directory: Path, kinds: Sequence[MessageType]) -> Report:
    """The models against the committed files. Raises UnsupportedSchema."""
    outdated, breaking = [], []
    known = {file_name(kind): kind for kind in kinds}
    committed = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.json")}
    for name, kind in known.items():
        if committed.get(name) == schema_text(kind):
            continue
        outdated.append(name)
        if name in committed:
            breaking += [f"{name}: {difference}" for difference in breaking_differences(json.loads(committed[name]), schema_of(kind))]
    breaking += [f"{name}: no message has this schema any more" for name in sorted(committed.keys() - known.keys())]
    return Report(tuple(outdated), tuple(breaking))


def write(directory: Path, kinds: Sequence[MessageType]) -> Report:
    """Brings the files up to date, unless a difference breaks a promise: then nothing is written."""
    report = compare(directory, kinds)
    if not report.breaking:
        directory.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            (directory / file_name(kind)).write_text(schema_text(kind), encoding="utf-8")
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m klaster_shared.contracts.schemas", description="The committed schemas of all messages.")
    parser.add_argument("--directory", type=Path, default=COMMITTED)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="record additive changes; refuse breaking ones")
    action.add_argument("--check", action="store_true", help="fail on any difference")
    options = parser.parse_args(arguments)
    report = (write if options.write else compare)(options.directory, all_messages())
    for sentence in report.breaking:
        sys.stdout.write(f"breaking  {sentence}\n")
    for name in report.outdated:
        sys.stdout.write(f"{'written' if options.write and not report.breaking else 'outdated'}  {name}\n")
    return 1 if report.breaking or (options.check and report.outdated) else 0


if __name__ == "__main__":
    sys.exit(main())
