"""The judge shares nothing with the judged; what it knows of them a second time is held against the first."""

import json
import subprocess
import sys
from uuid import UUID

import pytest

from klaster_budget.consumers import build_consumers as budget_consumers
from klaster_events.consumers import build_consumers as events_consumers
from klaster_local.verifying.expectations import (
    AGGREGATES,
    CAUSES,
    CONSUMERS,
    ONCE_PER_CAUSE,
    REGISTRATION_NEWS,
    SAME_MOMENT_SECONDS,
    STATES,
    TOLD_TO_CONTACTS,
    TOPICS,
)
from klaster_local.verifying.log import message_of
from klaster_local.verifying.verifying import PREFIX
from klaster_notifications.consumers import build_consumers as notifications_consumers
from klaster_notifications.domain.audiences import SAME_MOMENT
from klaster_notifications.domain.rules import RULES, ContactsOf, Registrant
from klaster_shared.clock import SystemClock
from klaster_shared.contracts.envelope import Envelope, decode
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.contracts.registry import all_messages, by_ce_type, enclose
from klaster_shared.contracts.topics import TOPICS as DECLARED
from klaster_shared.ids import new_id


def test_the_verifier_loads_nothing_of_what_it_judges() -> None:
    """A mistake in shared code would be made twice and seen never. What it needs to know it has of its own, in a few plain lines."""
    program = "import sys, klaster_local.verifying; print(*(name for name in sys.modules if name.startswith('klaster_')))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "klaster_local.verifying.verifying" in loaded
    assert [
        name for name in loaded if not name.startswith("klaster_local.verifying") and name not in {"klaster_local", "klaster_local.failures"}
    ] == []


def test_every_consumer_is_watched_for_every_message_it_hears() -> None:
    declared = [*budget_consumers(frozenset()), *events_consumers(), *notifications_consumers()]
    hears = {each.name: {(kind.topic, kind.name) for ce_type in each.handlers if (kind := by_ce_type(ce_type))} for each in declared}
    watched = {each.name: {(PREFIX + topic, name) for topic, names in each.hears.items() for name in names} for each in CONSUMERS}
    assert watched == hears


def test_every_topic_is_read() -> None:
    assert {PREFIX + topic for topic in TOPICS} == set(DECLARED)


def test_the_states_of_an_aggregate_are_known_for_each_of_its_messages() -> None:
    topics = {kind.table: PREFIX + kind.topic for kind in AGGREGATES}
    spoken = {table: {kind.name for kind in all_messages() if kind.topic == topics[table]} for table in STATES}
    assert {table: set(states) for table, states in STATES.items()} == spoken


def test_only_messages_that_exist_are_expected() -> None:
    assert {*CAUSES, *ONCE_PER_CAUSE, *(cause for causes in CAUSES.values() for cause in causes)} <= {kind.name for kind in all_messages()}


def test_the_audiences_are_those_of_the_rules() -> None:
    of_contacts = {rule.message_type.split(".")[-2]: rule.audience.role for rule in RULES if isinstance(rule.audience, ContactsOf)}
    of_registrants = {rule.message_type.split(".")[-2] for rule in RULES if isinstance(rule.audience, Registrant)}
    assert (of_contacts, of_registrants) == (dict(TOLD_TO_CONTACTS), set(REGISTRATION_NEWS))
    assert SAME_MOMENT.total_seconds() == SAME_MOMENT_SECONDS


def a_message(identifier: UUID) -> Envelope:
    now = SystemClock().now()
    body = NetworkRegistered(network_id=new_id(), code="X", name="X")
    return enclose(body, id=identifier, time=now, recorded_time=now, sequence=7, correlation_id="flow", causation_id="cause")


def test_our_own_messages_are_understood_as_they_were_meant() -> None:
    identifier = new_id()
    envelope = a_message(identifier)
    read = message_of(topic="t", logged_at=envelope.time, key=b"k", headers=envelope.headers(), value=envelope.data)
    assert (read.id, read.type, read.sequence, read.correlation, read.causation) == (identifier, "NetworkRegistered", 7, "flow", "cause")


def test_a_strangers_id_is_the_one_that_inboxes_know() -> None:
    envelope = a_message(new_id())
    headers = [(name, b"/accounting/erp" if name == "ce_source" else value) for name, value in envelope.headers() if name != "ce_sequence"]
    read = message_of(topic="t", logged_at=envelope.time, key=b"k", headers=headers, value=envelope.data)
    assert read.id == decode(envelope.data, headers).inbox_id


def test_an_event_in_structured_mode_is_read_like_one_in_binary_mode() -> None:
    envelope = a_message(new_id())
    members = {"specversion": "1.0", "id": envelope.id, "source": envelope.source, "type": envelope.type, "data": {"code": "X"}}
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    read = message_of(topic="t", logged_at=envelope.time, key=b"k", headers=headers, value=json.dumps(members).encode())
    assert (read.id, read.type, read.body) == (envelope.inbox_id, "NetworkRegistered", {"code": "X"})


@pytest.mark.parametrize("value", [None, b"", b"{", b"[1]"])
def test_a_record_that_is_no_event_has_no_id(value: bytes | None) -> None:
    read = message_of(topic="t", logged_at=SystemClock().now(), key=None, headers=[("content-type", b"application/cloudevents+json")], value=value)
    assert read.id is None
