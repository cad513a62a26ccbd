from copy import deepcopy
from typing import Any

import pytest

from klaster_shared.contracts.compatibility import Breaks, UnsupportedSchema, breaking_differences

MONEY: dict[str, Any] = {
    "type": "object",
    "properties": {"amount": {"type": "string", "pattern": "^[0-9]+$"}, "currency": {"type": "string"}},
    "required": ["amount", "currency"],
}
LINE: dict[str, Any] = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "amount": {"$ref": "#/$defs/Money"}},
    "required": ["code", "amount"],
}
OLD: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"Money": MONEY, "Line": LINE},
    "type": "object",
    "title": "SomethingHappened",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "kind": {"type": "string", "enum": ["workshop", "conference"]},
        "step": {"type": "string", "const": "first"},
        "seats": {"type": "integer", "minimum": 1, "maximum": 100},
        "name": {"type": "string", "maxLength": 40, "x-personal": True},
        "total": {"anyOf": [{"$ref": "#/$defs/Money"}, {"type": "null"}]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "minItems": 1},
    },
    "required": ["id", "kind", "step", "seats", "name", "total", "lines"],
}


def changed(**properties: Any) -> dict[str, Any]:
    """OLD with other properties; None takes one away."""
    new = deepcopy(OLD)
    for name, schema in properties.items():
        if schema is None:
            del new["properties"][name]
            new["required"] = [needed for needed in new["required"] if needed != name]
        else:
            new["properties"][name] = schema
    return new


def with_required(*names: str) -> dict[str, Any]:
    return {**deepcopy(OLD), "required": [*names]}


def with_part(part: str, schema: dict[str, Any]) -> dict[str, Any]:
    new = deepcopy(OLD)
    new["$defs"][part] = schema
    return new


NEW, OLDR = Breaks.NEW_READERS, Breaks.OLD_READERS
PLANTED: dict[str, tuple[dict[str, Any], set[tuple[str, Breaks]]]] = {
    "a required field is removed": (changed(kind=None), {("kind", OLDR)}),
    "an optional field is removed": (changed(note=None), {("note", OLDR)}),
    "a field becomes required": (with_required(*OLD["required"], "note"), {("note", NEW)}),
    "a required field may be missing": (with_required(*(name for name in OLD["required"] if name != "kind")), {("kind", OLDR)}),
    "a type changes": (changed(seats={"type": "string"}), {("seats", NEW), ("seats", OLDR)}),
    "a number may have a fraction": (changed(seats={"type": "number", "minimum": 1, "maximum": 100}), {("seats", NEW), ("seats", OLDR)}),
    "null is no longer allowed": (changed(note={"type": "string"}), {("note", NEW)}),
    "null is newly allowed": (changed(kind={"anyOf": [OLD["properties"]["kind"], {"type": "null"}]}), {("kind", OLDR)}),
    "a value is taken from an enum": (changed(kind={"type": "string", "enum": ["workshop"]}), {("kind", NEW)}),
    "a value is added to an enum": (changed(kind={"type": "string", "enum": ["workshop", "conference", "visit"]}), {("kind", OLDR)}),
    "an enum becomes free text": (changed(kind={"type": "string"}), {("kind", OLDR)}),
    "free text becomes an enum": (changed(note={"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}), {("note", NEW)}),
    "a constant changes": (changed(step={"type": "string", "const": "last"}), {("step", NEW), ("step", OLDR)}),
    "a format is added": (changed(kind={**OLD["properties"]["kind"], "format": "uuid"}), {("kind", NEW)}),
    "a format is dropped": (changed(id={"type": "string"}), {("id", OLDR)}),
    "a format changes": (changed(id={"type": "string", "format": "date"}), {("id", NEW), ("id", OLDR)}),
    "a lower bound rises": (changed(seats={"type": "integer", "minimum": 2, "maximum": 100}), {("seats", NEW)}),
    "a lower bound falls": (changed(seats={"type": "integer", "minimum": 0, "maximum": 100}), {("seats", OLDR)}),
    "a lower bound goes": (changed(seats={"type": "integer", "maximum": 100}), {("seats", OLDR)}),
    "an upper bound falls": (changed(seats={"type": "integer", "minimum": 1, "maximum": 99}), {("seats", NEW)}),
    "an upper bound rises": (changed(seats={"type": "integer", "minimum": 1, "maximum": 101}), {("seats", OLDR)}),
    "an upper bound comes": (changed(id={"type": "string", "format": "uuid", "maxLength": 36}), {("id", NEW)}),
    "a list may be empty": (changed(lines={"type": "array", "items": {"$ref": "#/$defs/Line"}}), {("lines", OLDR)}),
    "items change": (changed(lines={"type": "array", "items": {"type": "string"}, "minItems": 1}), {("lines[]", NEW), ("lines[]", OLDR)}),
    "a part deep down loses a field": (
        with_part("Line", {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}),
        {("lines[].amount", OLDR)},
    ),
    "a part deep down changes a pattern": (
        with_part("Money", {**MONEY, "properties": {**MONEY["properties"], "amount": {"type": "string", "pattern": "^[0-9.]+$"}}}),
        {(path, who) for path in ("total.amount", "lines[].amount.amount") for who in (NEW, OLDR)},
    ),
    "a field is no longer personal": (changed(name={"type": "string", "maxLength": 40}), {("name", Breaks.ERASURE)}),
}


@pytest.mark.parametrize(("new", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_a_break_is_found_where_it_is(new: dict[str, Any], expected: set[tuple[str, Breaks]]) -> None:
    assert {(found.path, found.breaks) for found in breaking_differences(OLD, new)} == expected


def test_a_renamed_field_is_a_lost_one_and_a_demanded_one() -> None:
    new = changed(kind=None, sort=OLD["properties"]["kind"])
    new["required"].append("sort")
    assert {(found.path, found.breaks) for found in breaking_differences(OLD, new)} == {("kind", OLDR), ("sort", NEW)}


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        changed(extra={"type": "string"}),
        changed(extra={"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "null"}], "default": None}),
        changed(kind={"type": "string", "enum": ["conference", "workshop"], "description": "What sort of event", "title": "Kind"}),
        changed(step={"type": "string", "enum": ["first"]}),
        changed(id={"type": "string", "format": "uuid", "x-personal": True}),
        changed(total={"anyOf": [{"type": "null"}, MONEY]}),
    ],
    ids=[
        "nothing",
        "an optional field",
        "an optional part",
        "words and order",
        "another spelling of a constant",
        "a personal mark",
        "a part written out",
    ],
)
def test_what_both_sides_can_read_is_no_break(new: dict[str, Any]) -> None:
    assert breaking_differences(OLD, new) == ()


def test_a_personal_mark_counts_wherever_it_stands() -> None:
    outside = {"anyOf": [{"type": "string"}, {"type": "null"}], "x-personal": True}
    inside = {"anyOf": [{"type": "string", "x-personal": True}, {"type": "null", "x-personal": True}]}
    assert breaking_differences(changed(note=outside), changed(note=inside)) == ()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": False},
        {"oneOf": [{"type": "string"}]},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "string", "format": "uuid"}]},
        {},
    ],
    ids=["closed object", "oneOf", "list of types", "two alternatives of one type", "anything"],
)
def test_what_the_checker_does_not_understand_it_refuses(schema: dict[str, Any]) -> None:
    new = changed(note=schema)
    with pytest.raises(UnsupportedSchema, match="note"):
        breaking_differences(new, new)


def test_a_part_that_contains_itself_is_refused() -> None:
    tree = {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/Line"}}}}
    with pytest.raises(UnsupportedSchema, match="contains itself"):
        breaking_differences(with_part("Line", tree), with_part("Line", tree))


def test_a_difference_reads_as_a_sentence() -> None:
    (difference,) = breaking_differences(OLD, changed(kind=None))
    assert str(difference) == "kind: the field was removed or renamed (old readers meet new messages)"
