import json
from collections.abc import Iterator
from typing import Any

import pytest

from klaster_shared.contracts.asyncapi import asyncapi
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.budget import CommitmentRefused, CommitmentReleased, CommitmentReserved
from klaster_shared.contracts.events import EventApproved, EventCancelled
from klaster_shared.contracts.inbound import InvoiceBooked
from klaster_shared.contracts.registry import all_messages

BUDGET = asyncapi("budget", (EventApproved, EventCancelled, InvoiceBooked))
EVENTS = asyncapi("events", (CommitmentReserved, CommitmentRefused, CommitmentReleased))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            yield reference
        for member in part.values():
            yield from references(member)
    elif isinstance(part, list):
        for member in part:
            yield from references(member)


@pytest.mark.parametrize("document", [BUDGET, EVENTS, asyncapi("partners", ())], ids=["budget", "events", "partners"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def test_a_service_sends_all_of_its_own_messages_and_receives_those_given() -> None:
    sent = {name: operation for name, operation in BUDGET["operations"].items() if operation["action"] == "send"}
    received = {name: operation for name, operation in BUDGET["operations"].items() if operation["action"] == "receive"}
    assert sent.keys() == {"send.klaster.budget.grant.v1", "send.klaster.budget.commitment.v1", "send.klaster.budget.expenditure.v1"}
    assert [message["$ref"].rpartition("/")[2] for message in received["receive.klaster.events.event.v1"]["messages"]] == [
        "events.EventApproved.v1",
        "events.EventCancelled.v1",
    ]
    assert "receive.klaster.inbound.accounting.v1" in received


def test_channels_are_topics_with_their_key_and_partitions() -> None:
    channel = BUDGET["channels"]["klaster.budget.commitment.v1"]
    assert channel["address"] == "klaster.budget.commitment.v1"
    assert channel["bindings"]["kafka"]["partitions"] == 6
    assert "id of the commitment" in channel["description"]


def test_messages_describe_the_headers_of_the_wire_contract() -> None:
    headers = BUDGET["components"]["messages"]["budget.CommitmentReserved.v1"]["headers"]
    assert headers["properties"]["ce_type"]["const"] == "pl.lifescience.budget.CommitmentReserved.v1"
    assert [*headers["properties"]] == [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_partitionkey",
        "ce_time",
        "ce_recordedtime",
        "ce_sequence",
        "ce_correlationid",
        "ce_causationid",
        "ce_dataschema",
        "content-type",
    ]


def test_of_a_foreign_message_only_what_cloudevents_demands_is_required() -> None:
    headers = BUDGET["components"]["messages"]["inbound.InvoiceBooked.v1"]["headers"]
    assert headers["required"] == ["ce_specversion", "ce_id", "ce_source", "ce_type"]
    assert headers["properties"]["ce_source"] == {"type": "string", "pattern": "^/accounting/"}


def test_every_message_has_an_example() -> None:
    for message in EVENTS["components"]["messages"].values():
        assert message["examples"][0]["payload"]


def test_the_document_is_plain_json() -> None:
    assert json.loads(json.dumps(BUDGET)) == BUDGET


def test_a_class_that_is_no_message_of_a_topic_is_refused() -> None:
    with pytest.raises(TypeError, match="not bound"):
        asyncapi("budget", (Message,))


def test_each_message_is_sent_by_exactly_one_service_or_from_outside() -> None:
    services = ("partners", "events", "budget", "notifications")
    sent = [name for service in services for name in asyncapi(service, ())["components"]["messages"]]
    assert sorted(sent) == sorted(f"{kind.schema_name}.v{kind.version}" for kind in all_messages() if kind.subject_field is not None)
