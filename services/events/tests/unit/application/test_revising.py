from dataclasses import replace

import pytest

from klaster_events.application.draft_event import DraftEvent, draft_event
from klaster_events.application.revise_event import ReviseEvent, revise_event
from klaster_events.domain.event import Event
from klaster_events.domain.facts import EventWasDrafted, EventWasRevised
from klaster_events.testing import InMemoryWork, a_proposal
from klaster_shared.errors import StaleVersion


async def a_draft(work: InMemoryWork) -> Event:
    return await draft_event(DraftEvent(proposal=a_proposal(capacity=20)), work)


async def test_a_new_draft_has_its_approval_and_its_seats_beside_it() -> None:
    work = InMemoryWork()

    event = await a_draft(work)

    assert event.version == 1
    assert work.approvals.rows[event.id].consent is None
    assert work.seats.rows[event.id].capacity == 20


async def test_the_seats_keep_in_step_with_a_revised_capacity() -> None:
    work = InMemoryWork()
    event = await a_draft(work)

    await revise_event(ReviseEvent(event=event.id, change=lambda proposal: replace(proposal, capacity=35)), work)

    assert work.seats.rows[event.id].capacity == 35
    assert work.events.kept.rows[event.id].proposal.capacity == 35


async def test_a_revision_that_changes_nothing_writes_nothing() -> None:
    work = InMemoryWork()
    event = await a_draft(work)

    revised = await revise_event(ReviseEvent(event=event.id, change=lambda proposal: proposal), work)

    assert revised.version == 1
    assert [type(fact) for fact in work.events.kept.facts] == [EventWasDrafted]


async def test_a_revision_of_what_has_changed_since_it_was_read_is_refused() -> None:
    work = InMemoryWork()
    event = await a_draft(work)
    await revise_event(ReviseEvent(event=event.id, change=lambda proposal: replace(proposal, place="Évry"), expected=1), work)

    with pytest.raises(StaleVersion):
        await revise_event(ReviseEvent(event=event.id, change=lambda proposal: replace(proposal, place="Lyon"), expected=1), work)

    assert [type(fact) for fact in work.events.kept.facts] == [EventWasDrafted, EventWasRevised]
