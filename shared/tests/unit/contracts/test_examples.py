import json

import pytest

from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.registry import MessageType, all_messages


@pytest.mark.parametrize("kind", all_messages(), ids=lambda kind: kind.schema_name)
def test_every_message_has_a_complete_and_valid_example(kind: MessageType) -> None:
    example = example_of(kind)
    read = kind.model.model_validate_json(json.dumps(example), strict=True)
    assert json.loads(read.model_dump_json()) == example


@pytest.mark.parametrize("kind", all_messages(), ids=lambda kind: kind.schema_name)
def test_the_text_of_a_message_shows_nothing_personal(kind: MessageType) -> None:
    text = repr(kind.model.model_validate_json(json.dumps(example_of(kind))))
    assert "ZIN member" not in text
    assert "@" not in text
