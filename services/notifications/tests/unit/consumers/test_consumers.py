"""What is heard becomes the right delivery; the join of contacts and causes has a suite of its own (`application/test_join.py`)."""

from datetime import timedelta

import pytest

from klaster_notifications.consumers import CONSUMES, build_consumers
from klaster_notifications.domain.recipients import Locale, RecipientKind
from klaster_notifications.testing import (
    NOON,
    InMemoryWork,
    a_cancellation,
    a_confirmation,
    a_contact_added,
    a_place_in_line,
    a_refusal,
    a_withdrawal,
    an_upgrade,
    hear,
    heard,
)
from klaster_shared.contracts import topics
from klaster_shared.contracts.events import RegistrationConfirmed
from klaster_shared.contracts.registry import type_of_model


@pytest.mark.parametrize("message", [a_confirmation(), a_place_in_line(), a_withdrawal(), a_cancellation(), a_cancellation(was="waitlisted")])
async def test_what_happens_to_a_registration_is_told_to_the_registrant(message: RegistrationConfirmed) -> None:
    work = InMemoryWork()

    await hear(work, message)

    (delivery,) = work.deliveries
    assert (delivery.recipient.kind, delivery.recipient.id) == (RecipientKind.REGISTRANT, message.registration_id)


async def test_the_cause_is_the_message_itself() -> None:
    work, message = InMemoryWork(), a_confirmation()

    await hear(work, message)

    (delivery,) = work.deliveries
    assert (str(delivery.grounds.cause), delivery.grounds.cause_type) == (work.incoming.id, work.incoming.type)


async def test_a_registrant_is_written_to_in_their_language_at_the_normalised_address() -> None:
    work = InMemoryWork()

    await hear(work, a_confirmation(locale="en", email=" ZIN-Member-01@Example.ORG "))

    (delivery,) = work.deliveries
    assert (delivery.recipient.locale, delivery.recipient.address) == (Locale.EN, "zin-member-01@example.org")


async def test_a_refusal_reaches_event_managers_of_the_host_only() -> None:
    work, refusal = InMemoryWork(), a_refusal()
    await hear(work, a_contact_added(organisation_id=refusal.host_organisation_id, email="manager@example.org", roles=("event_manager",)))
    await hear(work, a_contact_added(organisation_id=refusal.host_organisation_id, email="accountant@example.org", roles=("accountant",)))
    await hear(work, a_contact_added(email="elsewhere@example.org", roles=("event_manager",)))

    await hear(work, refusal)

    assert [delivery.recipient.address for delivery in work.deliveries] == ["manager@example.org"]


async def test_an_upgrade_reaches_all_contacts_of_the_member() -> None:
    work, upgrade = InMemoryWork(), an_upgrade()
    for address, roles in [("manager@example.org", ("event_manager",)), ("accountant@example.org", ())]:
        await hear(work, a_contact_added(organisation_id=upgrade.organisation_id, email=address, roles=roles))

    await hear(work, upgrade)

    assert sorted(delivery.recipient.address for delivery in work.deliveries) == ["accountant@example.org", "manager@example.org"]


async def test_a_contact_that_arrives_after_the_cause_is_told_if_it_was_there_before() -> None:
    work, refusal = InMemoryWork(), a_refusal()
    await hear(work, refusal)
    contact = a_contact_added(organisation_id=refusal.host_organisation_id)

    await hear(work, contact, heard(contact, recorded_at=NOON - timedelta(days=1)))

    (delivery,) = work.deliveries
    assert (delivery.recipient.kind, delivery.recipient.id) == (RecipientKind.CONTACT, contact.contact_id)


def test_the_declared_messages_are_those_with_a_handler() -> None:
    assert {type_of_model(model).ce_type for model in CONSUMES} == {ce_type for consumer in build_consumers() for ce_type in consumer.handlers}


def test_every_consumer_reads_the_topics_of_its_messages_and_no_other() -> None:
    read = {
        consumer.name: (set(consumer.topics), {kind.topic for model in CONSUMES if (kind := type_of_model(model)).ce_type in consumer.handlers})
        for consumer in build_consumers()
    }

    assert all(subscribed == needed for subscribed, needed in read.values())


def test_topics_list_this_service_among_their_readers() -> None:
    assert all("notifications" in topics.TOPICS[topic].readers for consumer in build_consumers() for topic in consumer.topics)
