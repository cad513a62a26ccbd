"""What is recorded can be read: the bytes keep the schema of their type, however the message was made."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from klaster_shared.clock import SystemClock
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.budget import CommitmentReserved
from klaster_shared.contracts.envelope import Undecodable, decode
from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.contracts.registry import SchemaViolation, all_messages, parse
from klaster_shared.errors import TooLarge
from klaster_shared.origin import Origin
from klaster_shared.outbox.recorder import OutboxRow, outbox_row

NETWORK = UUID(int=1)


def recorded(message: Message) -> OutboxRow:
    now = SystemClock().now()
    return outbox_row(message, sequence=1, happened=now, recorded=now, origin=Origin(actor="a", correlation_id="b", causation_id="c"))


@pytest.mark.parametrize("name", [kind.name for kind in all_messages() if kind.subject_field is not None])
def test_every_message_that_keeps_its_schema_is_recorded_as_its_readers_will_see_it(name: str) -> None:
    (kind,) = [kind for kind in all_messages() if kind.name == name]
    message = kind.model.model_validate(example_of(kind))
    row = recorded(message)
    assert (row.topic, row.type) == (kind.topic, kind.ce_type)
    assert kind.model.model_validate_json(row.payload, strict=True) == message


@pytest.mark.parametrize(
    "fields",
    [
        {"network_id": NETWORK, "code": "X"},
        {"network_id": NETWORK, "code": "X", "name": None},
        {"network_id": NETWORK, "code": "X", "name": 7},
        {"network_id": "not an id", "code": "X", "name": "Y"},
    ],
    ids=["missing", "null", "another type", "no UUID"],
)
def test_a_message_made_past_its_own_checks_is_not_recorded(fields: dict[str, Any]) -> None:
    with pytest.raises(SchemaViolation):
        recorded(NetworkRegistered.model_construct(**fields))


def test_a_copy_with_a_value_that_breaks_a_rule_inside_is_not_recorded() -> None:
    (kind,) = [kind for kind in all_messages() if kind.model is CommitmentReserved]
    message = CommitmentReserved.model_validate(example_of(kind))
    (line, *others) = message.lines
    odd = line.model_copy(update={"amount": line.amount.model_copy(update={"currency": "zł"})})
    with pytest.raises(SchemaViolation, match="currency"):
        recorded(message.model_copy(update={"lines": (odd, *others)}))


def test_a_subclass_of_a_message_is_no_message() -> None:
    class Longer(NetworkRegistered):
        motto: str

    with pytest.raises(TypeError):
        recorded(Longer(network_id=NETWORK, code="X", name="Y", motto="Z"))


def test_text_that_no_reader_can_store_is_not_recorded() -> None:
    with pytest.raises(Undecodable):
        recorded(NetworkRegistered(network_id=NETWORK, code="X", name="a\0b"))


def test_what_is_wrong_is_said_without_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    fields: dict[str, Any] = {"network_id": NETWORK, "code": "X", "name": 4711}
    with pytest.raises(SchemaViolation) as refused:
        recorded(NetworkRegistered.model_construct(**fields))
    assert "name (string_type)" in str(refused.value)
    assert "4711" not in f"{refused.value}{capsys.readouterr()}"


def test_a_body_over_the_limit_is_refused_before_it_is_read_again() -> None:
    with pytest.raises(TooLarge):
        recorded(NetworkRegistered(network_id=NETWORK, code="X", name="x" * 300_000))


def test_the_row_says_where_it_belongs() -> None:
    row = recorded(NetworkRegistered(network_id=NETWORK, code="X", name="Y"))
    found = parse_of(row)
    assert (row.key, found) == (str(NETWORK), NetworkRegistered(network_id=NETWORK, code="X", name="Y"))


def parse_of(row: OutboxRow) -> Message | None:
    headers = [(name, value.encode()) for name, value in orjson.loads(row.headers)]
    return parse(decode(row.payload, headers, timestamp=row.recorded_at))
