"""The reference implementation reads what we write, and we read what it writes."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from klaster_shared.contracts.envelope import decode
from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.registry import MessageType, all_messages, enclose, parse

AT = datetime(2011, 10, 6, 12, tzinfo=UTC)
OWN = [kind for kind in all_messages() if kind.subject_field is not None]


def name_of(kind: MessageType) -> str:
    return kind.schema_name


def foreign_event(kind: MessageType) -> CloudEvent:
    attributes = {
        "id": "4711",
        "source": "/accounting/erp",
        "type": kind.ce_type,
        "time": AT,
        "datacontenttype": "application/json",
        "subject": "Zażółć",
        "partitionkey": "k",
        "correlationid": "flow",
        "sequence": "12",
    }
    return CloudEvent(attributes, dict(example_of(kind)))


@pytest.mark.parametrize("kind", OWN, ids=name_of)
def test_the_sdk_reads_our_binary_messages(kind: MessageType) -> None:
    message = kind.model.model_validate_json(json.dumps(example_of(kind)))
    envelope = enclose(message, id=UUID(int=1), time=AT, recorded_time=AT, sequence=3, correlation_id="flow", causation_id="cause")
    read = from_binary_event(KafkaMessage(headers=dict(envelope.headers()), key=envelope.partition_key, value=envelope.data))
    assert read.get_data() == example_of(kind)
    assert read.get_attributes() == {
        "specversion": "1.0",
        "id": str(UUID(int=1)),
        "source": kind.ce_source,
        "type": kind.ce_type,
        "subject": envelope.subject,
        "partitionkey": envelope.subject,
        "time": AT,
        "recordedtime": "2011-10-06T12:00:00Z",
        "sequence": "00000000000000000003",
        "correlationid": "flow",
        "causationid": "cause",
        "dataschema": kind.ce_dataschema,
        "datacontenttype": "application/json",
    }


@pytest.mark.parametrize("write", [to_structured_event, to_binary_event])
@pytest.mark.parametrize("kind", all_messages(), ids=name_of)
def test_we_read_what_the_sdk_writes_in_both_modes(kind: MessageType, write: type[object]) -> None:
    record = write(foreign_event(kind))  # type: ignore[call-arg]  # two functions of one signature
    assert isinstance(record, KafkaMessage)
    envelope = decode(record.value, [*record.headers.items()])
    assert (envelope.id, envelope.source, envelope.subject, envelope.time) == ("4711", "/accounting/erp", "Zażółć", AT)
    assert (envelope.partition_key, envelope.correlation_id, envelope.sequence) == ("k", "flow", 12)
    assert parse(envelope) == kind.model.model_validate_json(json.dumps(example_of(kind)))
