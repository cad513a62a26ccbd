"""Contacts and causes meet in any order, and whoever hears of what does not depend on it (design 8.6)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from klaster_notifications.domain.facts import DeliveryWasQueued
from klaster_notifications.testing import NOON, InMemoryWork, a_contact_added, a_refusal, an_upgrade, hear, heard
from klaster_shared.contracts.budget import CommitmentRefused
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.contracts.partners import ContactAdded, MembershipUpgraded

ORGANISATIONS = (UUID(int=1), UUID(int=2))
ROLES = ((), ("event_manager",), ("accountant", "event_manager"))

type Heard = tuple[ContactAdded | CommitmentRefused | MembershipUpgraded, Envelope]


@dataclass(frozen=True, slots=True)
class Story:
    """The same messages in two orders of arrival; in the second some come again."""

    first: Sequence[Heard]
    second: Sequence[Heard]


async def deliver(work: InMemoryWork, arrivals: Sequence[Heard]) -> None:
    for message, envelope in arrivals:
        await hear(work, message, envelope)


def told(work: InMemoryWork) -> set[tuple[UUID, str, str, str]]:
    return {
        (delivery.grounds.cause, delivery.recipient.address, delivery.grounds.template.name, str(delivery.recipient.id))
        for delivery in work.deliveries
    }


def expected(arrivals: Sequence[Heard]) -> set[tuple[UUID, str, str, str]]:
    """Written from the rule, without the two-sided evaluation."""
    contacts = [(message, envelope) for message, envelope in arrivals if isinstance(message, ContactAdded)]
    found = set()
    for message, envelope in arrivals:
        for contact, added in contacts:
            in_time = (added.recorded_time or NOON) <= (envelope.recorded_time or NOON) + timedelta(seconds=5)
            match message:
                case CommitmentRefused() if in_time and contact.organisation_id == message.host_organisation_id and "event_manager" in contact.roles:
                    found.add((envelope.inbox_id, contact.email, "commitment_refused", str(contact.contact_id)))
                case MembershipUpgraded() if in_time and contact.organisation_id == message.organisation_id:
                    found.add((envelope.inbox_id, contact.email, "membership_upgraded", str(contact.contact_id)))
    return found


@st.composite
def stories(draw: st.DrawFn) -> Story:
    moments = st.integers(min_value=0, max_value=12).map(lambda seconds: NOON + timedelta(seconds=seconds))
    organisations = st.sampled_from(ORGANISATIONS)
    arrivals: list[Heard] = []
    for number in range(draw(st.integers(0, 4))):
        contact = a_contact_added(email=f"contact-{number}@example.org", organisation_id=draw(organisations), roles=draw(st.sampled_from(ROLES)))
        arrivals.append((contact, heard(contact, recorded_at=draw(moments))))
    for _ in range(draw(st.integers(0, 4))):
        organisation = draw(organisations)
        of_organisation: list[CommitmentRefused | MembershipUpgraded] = [
            a_refusal(host_organisation_id=organisation),
            an_upgrade(organisation_id=organisation),
        ]
        cause = draw(st.sampled_from(of_organisation))
        arrivals.append((cause, heard(cause, recorded_at=draw(moments))))
    again = draw(st.lists(st.sampled_from(arrivals), max_size=3)) if arrivals else []
    return Story(first=draw(st.permutations(arrivals)), second=[*draw(st.permutations(arrivals)), *again])


@given(story=stories())
def test_whatever_the_order_of_arrival_the_same_people_are_told_the_same(story: Story) -> None:
    first, second = InMemoryWork(), InMemoryWork()

    asyncio.run(deliver(first, story.first))
    asyncio.run(deliver(second, story.second))

    assert told(first) == told(second) == expected(story.first)


@given(story=stories())
def test_each_delivery_says_once_that_it_is_queued(story: Story) -> None:
    work = InMemoryWork()

    asyncio.run(deliver(work, story.second))

    queued = [fact.delivery for fact in work.facts if isinstance(fact, DeliveryWasQueued)]
    assert sorted(queued) == sorted(delivery.id for delivery in work.deliveries)


@given(story=stories())
def test_whoever_keeps_or_reads_holds_the_organisation(story: Story) -> None:
    work = InMemoryWork()

    asyncio.run(deliver(work, story.first))

    concerned = [message.host_organisation_id if isinstance(message, CommitmentRefused) else message.organisation_id for message, _ in story.first]
    assert work.audiences.held == concerned


async def test_one_address_is_told_once_of_one_cause_though_two_contacts_share_it() -> None:
    work, refusal = InMemoryWork(), a_refusal()
    contacts = [a_contact_added(email=email, organisation_id=refusal.host_organisation_id) for email in ("Office@Example.org", "office@example.org ")]

    await deliver(work, [(refusal, heard(refusal)), *((contact, heard(contact)) for contact in contacts)])

    assert len(list(work.deliveries)) == 1
