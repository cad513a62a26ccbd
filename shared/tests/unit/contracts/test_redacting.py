"""What may be seen of a body by somebody who has not asked for personal fields."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from klaster_shared.contracts.envelope import Envelope, decode
from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.redacting import HIDDEN, redacted_body
from klaster_shared.contracts.registry import MessageType, all_messages

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONTACT = next(kind for kind in all_messages() if kind.name == "ContactAdded")


def in_envelope(ce_type: str, data: bytes) -> Envelope:
    return decode(data, [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", ce_type.encode())], timestamp=NOON)


def shown(body: Any, kind: MessageType = CONTACT) -> Any:
    return redacted_body(in_envelope(kind.ce_type, orjson.dumps(body)))


@pytest.mark.parametrize("kind", all_messages(), ids=lambda kind: kind.name)
def test_of_every_message_just_what_is_marked_is_hidden(kind: MessageType) -> None:
    body = example_of(kind)
    marked = {name for name, part in kind.model.model_json_schema()["properties"].items() if part.get("x-personal")}
    found = shown(body, kind)
    assert {name for name in body if found[name] == HIDDEN} == marked & body.keys()
    assert {name: found[name] for name in body if name not in marked} == {name: body[name] for name in body if name not in marked}


def test_a_body_that_breaks_its_schema_shows_no_more() -> None:
    body = example_of(CONTACT) | {"name": {"first": "Anna"}, "email": ["anna@example.org"], "roles": "Anna", "locale": 7, "nickname": "Anna"}
    found = shown(body)
    assert {name for name in body if found[name] == HIDDEN} == {"name", "email", "roles", "locale", "nickname"}
    assert b"Anna" not in orjson.dumps(found)


@pytest.mark.parametrize("body", ["Anna", ["Anna", {"name": "Anna"}], {"organisation_id": {"name": "Anna"}}])
def test_a_body_of_another_form_shows_nothing_of_it(body: Any) -> None:
    assert b"Anna" not in orjson.dumps(shown(body))


def test_what_no_contract_describes_is_not_shown_at_all() -> None:
    assert redacted_body(in_envelope("com.example.Unheard", b'{"a": 1}')) is None
    assert redacted_body(in_envelope(CONTACT.ce_type, b"Anna")) is None
