"""Whoever checks messages by our JSON Schemas, in whatever language, must come to the same result as our own readers."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.registry import MessageType, all_messages, by_ce_type
from klaster_shared.contracts.schemas import schema_of

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))


def accepts(kind: MessageType, body: Any) -> bool:
    return bool(jsonschema_rs.validator_for(schema_of(kind), validate_formats=True).is_valid(body))


@pytest.mark.parametrize("kind", all_messages(), ids=lambda kind: kind.schema_name)
def test_the_schema_is_valid_in_its_dialect(kind: MessageType) -> None:
    assert jsonschema_rs.meta.is_valid(schema_of(kind))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_the_schema_accepts_every_sample(sample: Path) -> None:
    kind = by_ce_type(sample.stem.partition("+")[0])
    assert kind is not None
    assert accepts(kind, json.loads(sample.read_bytes()))


@pytest.mark.parametrize("kind", all_messages(), ids=lambda kind: kind.schema_name)
def test_the_schema_demands_what_the_model_demands(kind: MessageType) -> None:
    for name, field in kind.model.model_fields.items():
        rest = {key: member for key, member in example_of(kind).items() if key != name}
        assert accepts(kind, rest) is not field.is_required(), name


@pytest.mark.parametrize(
    "amount",
    ["1234.50", "-0.01", "123456789012345", "1234567890123456", "12345678901234.56", "1.", "1e3", "", "1,5", 1234.5, None],
)
def test_the_schema_and_the_model_agree_on_amounts(amount: Any) -> None:
    kind = by_ce_type("pl.lifescience.inbound.InvoiceBooked.v1")
    assert kind is not None
    body = {**example_of(kind), "amount": {"amount": amount, "currency": "PLN"}}
    try:
        kind.model.model_validate_json(json.dumps(body), strict=True)
    except ValueError:
        assert not accepts(kind, body)
    else:
        assert accepts(kind, body)
