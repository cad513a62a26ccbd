import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import LocalisedText
from klaster_shared.contracts.envelope import Envelope, Undecodable
from klaster_shared.contracts.events import EventCancelled
from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.inbound import InvoiceBooked
from klaster_shared.contracts.partners import ContactAdded, OrganisationRegistered
from klaster_shared.contracts.registry import (
    MessageType,
    SchemaViolation,
    all_messages,
    by_ce_type,
    by_schema,
    enclose,
    message,
    parse,
    type_of,
    type_of_model,
)

AT = datetime(2011, 10, 6, 12, tzinfo=UTC)
CANCELLED = EventCancelled(event_id=UUID(int=5), title=LocalisedText(pl="Warsztat", en="Workshop"), reason="ice")


def enclosed() -> Envelope:
    return enclose(CANCELLED, id=UUID(int=1), time=AT, recorded_time=AT, sequence=3, correlation_id="flow", causation_id="cause")


def test_a_message_is_named_by_its_class_and_topic() -> None:
    assert type_of_model(OrganisationRegistered) == MessageType(
        name="OrganisationRegistered",
        version=1,
        topic="klaster.partners.organisation.v1",
        service="partners",
        aggregate="organisation",
        ce_type="pl.lifescience.partners.OrganisationRegistered.v1",
        ce_source="/klaster/partners/organisation",
        ce_dataschema="urn:klaster:schema:partners.OrganisationRegistered:1",
        model=OrganisationRegistered,
        subject_field="organisation_id",
    )


def test_a_contact_is_a_message_of_its_organisation() -> None:
    assert type_of_model(ContactAdded).subject_field == "organisation_id"


def test_a_second_version_has_a_wire_name_of_its_own() -> None:
    @message(topics.EVENTS_EVENT, subject="event_id", version=2)
    class EventCancelledV2(EventCancelled):
        pass

    bound = type_of_model(EventCancelledV2)
    assert bound.ce_type == "pl.lifescience.events.EventCancelled.v2"
    assert bound.ce_dataschema == "urn:klaster:schema:events.EventCancelled:2"


def test_a_subject_must_be_a_field() -> None:
    with pytest.raises(TypeError, match="subject"):
        message(topics.EVENTS_EVENT, subject="evnet_id")(EventCancelled)


def test_an_unbound_class_has_no_wire_name_even_below_a_bound_one() -> None:
    class EventCancelledTwice(EventCancelled):
        pass

    with pytest.raises(TypeError, match="EventCancelledTwice"):
        type_of_model(EventCancelledTwice)


def test_the_registry_holds_every_message_of_the_design() -> None:
    assert {kind.topic: {each.name for each in all_messages() if each.topic == kind.topic} for kind in all_messages()} == {
        "klaster.partners.organisation.v1": {"OrganisationRegistered", "ContactAdded"},
        "klaster.partners.network.v1": {"NetworkRegistered"},
        "klaster.partners.membership.v1": {"MembershipApplied", "MembershipAdmitted", "MembershipUpgraded"},
        "klaster.events.event.v1": {
            "EventDrafted",
            "EventRevised",
            "EventSubmitted",
            "EventApproved",
            "EventReturnedToDraft",
            "EventPublished",
            "EventCancelled",
            "EventCompleted",
        },
        "klaster.events.registration.v1": {"RegistrationConfirmed", "WaitlistJoined", "RegistrationWithdrawn", "RegistrationCancelled"},
        "klaster.events.approval.v1": {"ApprovalFellDue"},
        "klaster.budget.grant.v1": {"GrantRegistered", "BudgetApproved"},
        "klaster.budget.commitment.v1": {
            "CommitmentReserved",
            "CommitmentRefused",
            "CommitmentConfirmed",
            "CommitmentConsumed",
            "CommitmentReleased",
        },
        "klaster.budget.expenditure.v1": {"ExpenditureDeclared"},
        "klaster.notifications.delivery.v1": {"DeliveryQueued", "DeliverySent", "DeliveryFailed", "DeliverySuppressed"},
        "klaster.inbound.accounting.v1": {"InvoiceBooked"},
    }


def test_a_topic_has_either_facts_or_scheduled_messages() -> None:
    """Scheduled messages take their outbox ids when they are due, under no aggregate's lock: beside facts of their key they would break its order."""
    of_topic = {kind.topic: {each.scheduled for each in all_messages() if each.topic == kind.topic} for kind in all_messages()}
    assert [topic for topic, ways in of_topic.items() if len(ways) > 1] == []
    assert [topic for topic, ways in of_topic.items() if ways == {True}] == [topics.EVENTS_APPROVAL]


def test_types_are_found_by_ce_type_and_by_schema_name() -> None:
    for kind in all_messages():
        assert by_ce_type(kind.ce_type) is kind
        assert by_schema(kind.schema_name, kind.version) is kind


def test_what_is_not_registered_is_not_found() -> None:
    assert by_ce_type("pl.lifescience.events.EventPostponed.v1") is None
    assert by_schema("events.EventCancelled", 2) is None


def test_every_message_of_ours_is_keyed_by_a_uuid() -> None:
    for kind in all_messages():
        if kind.subject_field is not None:
            assert kind.model.model_fields[kind.subject_field].annotation is UUID, kind.name


def test_a_message_is_enclosed_with_everything_the_wire_contract_names() -> None:
    assert enclosed() == Envelope(
        id=str(UUID(int=1)),
        source="/klaster/events/event",
        type="pl.lifescience.events.EventCancelled.v1",
        subject=str(UUID(int=5)),
        time=AT,
        recorded_time=AT,
        sequence=3,
        partition_key=str(UUID(int=5)),
        correlation_id="flow",
        causation_id="cause",
        data_schema="urn:klaster:schema:events.EventCancelled:1",
        data=f'{{"event_id":"{UUID(int=5)}","title":{{"pl":"Warsztat","en":"Workshop"}},"reason":"ice"}}'.encode(),
    )


def test_what_only_other_systems_send_cannot_be_enclosed() -> None:
    invoice = InvoiceBooked.model_validate_json(json.dumps(example_of(type_of_model(InvoiceBooked))))
    with pytest.raises(TypeError, match="other systems"):
        enclose(invoice, id=UUID(int=1), time=AT, recorded_time=AT, sequence=1)


def test_an_envelope_gives_its_message_back() -> None:
    assert parse(enclosed()) == CANCELLED
    assert type_of(CANCELLED).name == "EventCancelled"


def test_an_unknown_type_gives_no_message() -> None:
    assert parse(replace(enclosed(), type="pl.lifescience.events.EventPostponed.v1")) is None


def broken(changes: dict[str, Any]) -> Envelope:
    body = {**json.loads(enclosed().data), **changes}
    return replace(enclosed(), data=json.dumps(body).encode())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"event_id": "secret"}, ("event_id", "uuid_parsing")),
        ({"title": {"pl": "secret"}}, ("title.en", "missing")),
        ({"reason": None}, ("reason", "string_type")),
        ({"reason": 7}, ("reason", "string_type")),
    ],
)
def test_a_violation_names_the_field_and_the_rule_but_no_value(changes: dict[str, Any], problem: tuple[str, str]) -> None:
    with pytest.raises(SchemaViolation) as refused:
        parse(broken(changes))
    assert refused.value.problems == (problem,)
    assert "secret" not in str(refused.value)
    assert problem[0] in str(refused.value)


def test_a_body_of_another_json_type_violates_the_schema() -> None:
    with pytest.raises(SchemaViolation, match="body"):
        parse(replace(enclosed(), data=b"[]"))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"reason": "\\ud800"}', b'{"reason": "a\0b"}'])
def test_a_body_that_is_no_json_is_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable, match="not JSON"):
        parse(replace(enclosed(), data=data))


@pytest.mark.parametrize("changes", [{"reason": "a\0b"}, {"unknown": [{"deep": "\0"}]}, {"un\0known": 1}])
def test_a_nul_anywhere_in_the_body_is_undecodable(changes: dict[str, Any]) -> None:
    with pytest.raises(Undecodable, match="NUL"):
        parse(broken(changes))


def test_text_that_only_looks_like_an_escaped_nul_is_fine() -> None:
    read = parse(broken({"reason": "\\u0000"}))
    assert isinstance(read, EventCancelled)
    assert read.reason == "\\u0000"
