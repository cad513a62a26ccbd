"""A message body as it may be shown to somebody who has not asked for personal fields.

The one rule: what the schema does not describe is hidden, and so is what it marks `x-personal`; a body that breaks its schema, which is
when operators look at it, is no exception.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Any, Final

from pydantic import JsonValue
from pydantic_core import from_json

from klaster_shared.contracts.envelope import Envelope
from klaster_shared.contracts.registry import MessageType, by_ce_type
from klaster_shared.contracts.schemas import schema_of

HIDDEN: Final = "•••"

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (NoneType,),
}

type Schema = dict[str, Any]


def redacted_body(envelope: Envelope) -> JsonValue:
    """The body with what is personal, and what nobody has described, replaced by `HIDDEN`; None when no contract describes its type or it is
    no JSON.
    """
    kind = by_ce_type(envelope.type)
    if kind is None:
        return None
    try:
        body: JsonValue = from_json(envelope.data)
    except ValueError:
        return None
    schema = _schema(kind)
    return _shown(body, schema, schema.get("$defs", {}))


@cache
def _schema(kind: MessageType) -> Schema:
    return schema_of(kind)


def _shown(value: JsonValue, schema: Schema, definitions: Schema) -> JsonValue:
    branches = list(_branches(schema, definitions))
    if any(branch.get("x-personal") for branch in branches):
        return HIDDEN
    match value:
        case dict():
            properties = {name: part for branch in branches for name, part in branch.get("properties", {}).items()}
            return {name: _shown(each, properties[name], definitions) if name in properties else HIDDEN for name, each in value.items()}
        case list():
            items = {"anyOf": [branch["items"] for branch in branches if "items" in branch]}
            return [_shown(each, items, definitions) for each in value]
        case _:
            return value if any(_is_of_kind(value, branch) for branch in branches) else HIDDEN


def _branches(schema: Schema, definitions: Schema) -> Iterator[Schema]:
    """Everything that the schema allows in its place, itself included."""
    yield schema
    if "$ref" in schema:
        yield from _branches(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(keyword, ()):
            yield from _branches(part, definitions)


def _is_of_kind(value: JsonValue, schema: Schema) -> bool:
    kinds = _KINDS.get(str(schema.get("type")), ())
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
