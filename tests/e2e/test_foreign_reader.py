"""What a program that is not ours finds on the topics: librdkafka as the client, the CloudEvents SDK as the decoder, our served schemas as the contract."""

import json
import re
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from klaster_shared.contracts.events import ApprovalFellDue
from klaster_shared.contracts.notifications import DeliveryFailed
from klaster_shared.contracts.registry import all_messages, type_of_model
from klaster_shared.contracts.topics import INBOUND_ACCOUNTING, PARTITIONS, TOPICS
from klaster_shared.testing.accounting import AccountingSystem, an_invoice
from klaster_shared.testing.desk import Desk, a_code
from klaster_shared.testing.log import read_log
from klaster_shared.testing.processes import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

OWN_TOPICS = tuple(name for name in TOPICS if name != INBOUND_ACCOUNTING)
NEED_SOMETHING_BROKEN = {type_of_model(model).ce_type for model in (ApprovalFellDue, DeliveryFailed)}
"""A budget that does not answer, a mail server that refuses."""
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
UUID_7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
UUID_TEXT = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
HEADERS = {
    "ce_specversion": r"1\.0",
    "ce_id": UUID_7,
    "ce_source": r"/klaster/(partners|events|budget|notifications)/[a-z]+",
    "ce_type": r"pl\.lifescience\.(partners|events|budget|notifications)\.[A-Z][A-Za-z]+\.v1",
    "ce_subject": UUID_TEXT,
    "ce_partitionkey": UUID_TEXT,
    "ce_time": INSTANT,
    "ce_recordedtime": INSTANT,
    "ce_sequence": r"\d{20}",
    "ce_correlationid": r".+",
    "ce_causationid": r".+",
    "ce_dataschema": r"urn:klaster:schema:(partners|events|budget|notifications)\.[A-Z][A-Za-z]+:1",
    "content-type": r"application/json",
}

type Settled = Callable[[], Awaitable[Any]]


async def everything_happens(desk: Desk, accounting: AccountingSystem) -> None:
    """Every kind of message that a healthy stack can send."""
    host = await desk.organisation()
    await desk.contact(host["id"])
    membership = await desk.membership(host["id"])
    await desk.decide(membership["id"], "admit", "associate")
    await desk.decide(membership["id"], "upgrade", "full")
    grant = await desk.grant(workshops="1000.00")
    event = await desk.draft(grant, costs={"workshops": "900.00"}, capacity=1, host_organisation_id=host["id"])
    path = f"/v1/events/{event['id']}"
    tag = (await desk.ask("GET", "events", path)).headers["ETag"]
    assert (await desk.ask("PATCH", "events", path, json={"place": "Évry"}, headers={"If-Match": tag})).status_code == 200
    await desk.step(event["id"], "submit")
    await desk.step(event["id"], "approve")
    refused = await desk.approved(grant, costs={"workshops": "5000.00"}, host_organisation_id=host["id"])
    await desk.event_when(refused["id"], financing="refused")
    await desk.event_when(event["id"], financing="secured")
    await desk.step(event["id"], "publish")
    first, *_ = [await desk.register(event["id"]) for _ in range(2)]
    await desk.do("events", f"/v1/registrations/{first['id']}/withdraw")
    await desk.register(event["id"], email=f"nobody..{a_code('mails')}@example.org")  # well formed to a browser, to no mail server
    invoice = an_invoice(grant, "workshops", "100.00", event_id=event["id"])
    accounting.book(invoice)
    await desk.cancel(event["id"])
    completed = await desk.published()
    await desk.step(completed["id"], "complete")


@pytest.fixture(scope="module")
async def log(stack: Stack, desk: Desk, accounting: AccountingSystem, settled: Settled) -> list[Message]:
    """Everything on the topics that Klaster writes, partition after partition."""
    await everything_happens(desk, accounting)
    await settled()
    return read_log(stack.kafka_servers, *OWN_TOPICS)


def attributes(record: Message) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers()}


def first_occurrences(log: list[Message]) -> Iterator[dict[str, str]]:
    """A relay that died between acknowledgement and deletion has sent a message twice, under one id; readers drop the second."""
    seen = set()
    for record in log:
        given = attributes(record)
        if given["ce_id"] not in seen:
            seen.add(given["ce_id"])
            yield given


def test_every_type_of_message_was_there_to_be_looked_at(log: list[Message]) -> None:
    declared = {kind.ce_type for kind in all_messages() if kind.topic in OWN_TOPICS}
    assert declared - {attributes(record)["ce_type"] for record in log} <= NEED_SOMETHING_BROKEN


def test_the_headers_are_those_of_the_contract_in_its_order_and_no_others(log: list[Message]) -> None:
    for record in log:
        assert [name for name, _ in record.headers()] == list(HEADERS)
        wrong = {name: value for name, value in attributes(record).items() if not re.fullmatch(HEADERS[name], value)}
        assert wrong == {}


def test_the_reference_decoder_reads_every_message(log: list[Message]) -> None:
    for record in log:
        event = from_binary_event(KafkaMessage(headers=dict(record.headers()), key=record.key(), value=record.value()))
        assert isinstance(event.get_data(), dict)
        assert event.get_extension("partitionkey") == event.get_subject()


def test_the_key_is_the_subject_and_the_subject_is_in_the_body(log: list[Message]) -> None:
    for record in log:
        given = attributes(record)
        assert record.key().decode() == given["ce_subject"] == given["ce_partitionkey"]
        assert given["ce_subject"] in json.loads(record.value()).values()


def test_source_type_and_schema_agree_with_the_topic(log: list[Message]) -> None:
    for record in log:
        given = attributes(record)
        _, service, aggregate, _ = record.topic().split(".")
        name = given["ce_type"].split(".")[3]
        assert given["ce_source"] == f"/klaster/{service}/{aggregate}"
        assert (given["ce_type"], given["ce_dataschema"]) == (f"pl.lifescience.{service}.{name}.v1", f"urn:klaster:schema:{service}.{name}:1")


def test_the_sequence_of_each_subject_is_1_2_3_without_gaps(log: list[Message]) -> None:
    sequences = defaultdict(list)
    for given in first_occurrences(log):
        sequences[given["ce_source"], given["ce_subject"]].append(int(given["ce_sequence"]))
    assert {subject: found for subject, found in sequences.items() if found != list(range(1, len(found) + 1))} == {}


def test_an_id_names_one_message(log: list[Message]) -> None:
    said = defaultdict(set)
    for record in log:
        said[attributes(record)["ce_id"]].add((tuple(record.headers()), record.value()))
    assert [message_id for message_id, messages in said.items() if len(messages) > 1] == []


def test_what_was_recorded_later_has_the_later_id(log: list[Message]) -> None:
    """Ids are UUIDv7: their first 48 bits are milliseconds since 1970."""
    for given in first_occurrences(log):
        made = datetime.fromtimestamp((UUID(given["ce_id"]).int >> 80) / 1000, UTC)
        assert abs(made - datetime.fromisoformat(given["ce_recordedtime"])) < timedelta(seconds=60)


async def test_bodies_are_valid_by_the_schema_that_the_service_serves(desk: Desk, log: list[Message]) -> None:
    validators: dict[str, Any] = {}
    for record in log:
        _, _, _, schema, version = attributes(record)["ce_dataschema"].split(":")
        if schema not in validators:
            served = await desk.show(schema.partition(".")[0], f"/schemas/{schema}/{version}")
            validators[schema] = jsonschema_rs.validator_for(served)
        assert list(validators[schema].iter_errors(json.loads(record.value()))) == []


def test_a_foreign_producer_with_murmur2_finds_the_same_partitions(stack: Stack, log: list[Message]) -> None:
    scratch = f"scratch-{secrets.token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": stack.kafka_servers})
    admin.create_topics([NewTopic(scratch, PARTITIONS, 1)])[scratch].result(20)
    producer = Producer({"bootstrap.servers": stack.kafka_servers, "partitioner": "murmur2_random"})
    expected = {record.key(): record.partition() for record in log}
    for key in expected:
        producer.produce(scratch, value=b"", key=key)
    assert producer.flush(20) == 0
    assert {record.key(): record.partition() for record in read_log(stack.kafka_servers, scratch)} == expected
    admin.delete_topics([scratch])[scratch].result(20)
