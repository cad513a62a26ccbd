"""Whether a message schema may replace an earlier one without a new version.

The one rule: both directions must hold, because old and new readers meet old and new messages for as long as the log is kept:
a new reader reads every old message, and an old reader every new one. Only the part of JSON Schema 2020-12 that our models use is
understood; anything else is refused rather than waved through.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

type Schema = Mapping[str, Any]

ANNOTATIONS: Final = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "deprecated", "x-personal"})
STRUCTURE: Final = frozenset({"type", "properties", "required", "items", "anyOf", "$ref", "enum", "const"})
LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
FORMS: Final = ("pattern", "format")
_UNDERSTOOD: Final = ANNOTATIONS | STRUCTURE | {*LOWER_BOUNDS, *UPPER_BOUNDS, *FORMS}


class Breaks(StrEnum):
    """Whom a difference hurts."""

    NEW_READERS = "new readers meet old messages"
    OLD_READERS = "old readers meet new messages"
    ERASURE = "erasure no longer finds a personal field"


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` is dotted, `[]` stands for the items of a list, the empty path for the body itself."""

    path: str
    breaks: Breaks
    what: str

    def __str__(self) -> str:
        return f"{self.path or 'body'}: {self.what} ({self.breaks})"


class UnsupportedSchema(Exception):
    """The schema uses a part of JSON Schema that the checker does not understand. Model the field otherwise, or teach the checker."""


def breaking_differences(old: Schema, new: Schema) -> tuple[Difference, ...]:
    """What in `new` breaks the promise that `old` made; nothing when `new` may replace it. Raises UnsupportedSchema."""
    return tuple(_compare("", _alternatives("", old, old, ()), _alternatives("", new, new, ())))


@dataclass(frozen=True, slots=True)
class _Part:
    """A schema of one JSON type, with the document in which its references live and those references it is inside of."""

    schema: Schema
    document: Schema
    inside: tuple[str, ...]

    def alternatives(self, path: str, schema: Schema) -> dict[str, "_Part"]:
        return _alternatives(path, schema, self.document, self.inside)


def _alternatives(path: str, schema: Schema, document: Schema, inside: tuple[str, ...]) -> dict[str, _Part]:
    """The schema by JSON type: one entry, or several for `anyOf`."""
    if unknown := schema.keys() - _UNDERSTOOD:
        raise UnsupportedSchema(f"{path or 'body'}: {', '.join(sorted(unknown))}")
    marks = {keyword: schema[keyword] for keyword in schema.keys() & {"x-personal"}}
    if (reference := schema.get("$ref")) is not None:
        if reference in inside:
            raise UnsupportedSchema(f"{path or 'body'}: a part that contains itself")
        target = document["$defs"][reference.removeprefix("#/$defs/")]
        return _alternatives(path, {**target, **marks}, document, (*inside, reference))
    if "anyOf" not in schema:
        if not isinstance(kind := schema.get("type"), str):
            raise UnsupportedSchema(f"{path or 'body'}: no single type")
        return {kind: _Part(schema, document, inside)}
    found: dict[str, _Part] = {}
    for alternative in schema["anyOf"]:
        parts = _alternatives(path, {**alternative, **marks}, document, inside)
        if found.keys() & parts.keys():
            raise UnsupportedSchema(f"{path or 'body'}: alternatives of the same type")
        found |= parts
    return found


def _compare(path: str, old: Mapping[str, _Part], new: Mapping[str, _Part]) -> Iterator[Difference]:
    for kind in sorted(old.keys() - new.keys()):
        yield Difference(path, Breaks.NEW_READERS, f"{kind} is no longer allowed")
    for kind in sorted(new.keys() - old.keys()):
        yield Difference(path, Breaks.OLD_READERS, f"{kind} is newly allowed")
    for kind in sorted(old.keys() & new.keys()):
        yield from _compare_values(path, old[kind].schema, new[kind].schema)
        match kind:
            case "object":
                yield from _compare_fields(path, old[kind], new[kind])
            case "array":
                here = f"{path}[]"
                before, after = (part.alternatives(here, part.schema["items"]) for part in (old[kind], new[kind]))
                yield from _compare(here, before, after)


def _compare_fields(path: str, old: _Part, new: _Part) -> Iterator[Difference]:
    before, after = (part.schema.get("properties", {}) for part in (old, new))
    needed_before, needed_after = (frozenset(part.schema.get("required", ())) for part in (old, new))
    for name in [*before, *(name for name in after if name not in before)]:
        here = f"{path}.{name}".lstrip(".")
        if name not in after:
            # Even an optional field: what old readers took from it is gone, and its name may come back with another meaning.
            yield Difference(here, Breaks.OLD_READERS, "the field was removed or renamed")
            continue
        if name in needed_after - needed_before:
            yield Difference(here, Breaks.NEW_READERS, "the field is now required")
        if name not in before:
            continue
        if name in needed_before - needed_after:
            yield Difference(here, Breaks.OLD_READERS, "the field is no longer always there")
        yield from _compare(here, old.alternatives(here, before[name]), new.alternatives(here, after[name]))


def _compare_values(path: str, old: Schema, new: Schema) -> Iterator[Difference]:
    """Everything that limits the values of one JSON type."""
    yield from _compare_enums(path, _values(old), _values(new))
    for keyword in (*LOWER_BOUNDS, *UPPER_BOUNDS):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        rises = before is None or (after is not None and after > before)
        tighter = rises if keyword in LOWER_BOUNDS else before is None or (after is not None and after < before)
        yield Difference(path, Breaks.NEW_READERS if tighter else Breaks.OLD_READERS, f"{keyword} {'tightened' if tighter else 'loosened'}")
    for keyword in FORMS:
        before, after = old.get(keyword), new.get(keyword)
        if before != after and after is not None:
            yield Difference(path, Breaks.NEW_READERS, f"{keyword} is another one")
        if before != after and before is not None:
            yield Difference(path, Breaks.OLD_READERS, f"{keyword} is another one")
    if old.get("x-personal") and not new.get("x-personal"):
        yield Difference(path, Breaks.ERASURE, "the field is no longer marked as personal")


def _values(schema: Schema) -> frozenset[Any] | None:
    if "const" in schema:
        return frozenset({schema["const"]})
    return frozenset(schema["enum"]) if "enum" in schema else None


def _compare_enums(path: str, old: frozenset[Any] | None, new: frozenset[Any] | None) -> Iterator[Difference]:
    if new is not None and (old is None or old - new):
        gone = "all but " + _listed(new) if old is None else _listed(old - new)
        yield Difference(path, Breaks.NEW_READERS, f"values no longer allowed: {gone}")
    if old is not None and (new is None or new - old):
        come = "any" if new is None else _listed(new - old)
        yield Difference(path, Breaks.OLD_READERS, f"values newly allowed: {come}")


def _listed(values: frozenset[Any]) -> str:
    return ", ".join(sorted(map(str, values)))
