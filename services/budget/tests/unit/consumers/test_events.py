from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from klaster_budget.consumers.events import HANDLERS, confirm_for_event, release_for_approval, release_for_event, reserve_for_event
from klaster_budget.domain.facts import CommitmentWasConfirmed, CommitmentWasRefused, CommitmentWasReleased, CommitmentWasReserved
from klaster_budget.testing import InMemoryWork, a_grant
from klaster_shared.consuming.handling import Skipped
from klaster_shared.contracts.bodies import CostLine, LocalisedText, MoneyValue
from klaster_shared.contracts.events import EventApproved, EventCancelled, EventPublished, EventReturnedToDraft
from klaster_shared.contracts.registry import type_of_model
from klaster_shared.errors import Invalid
from klaster_shared.ids import new_id

EVENT, APPROVAL = new_id(), new_id()
TITLE = LocalisedText(pl="Warsztat", en="Workshop")
DAY = datetime(2011, 9, 12, 9, tzinfo=UTC)


def approved(grant: UUID | None, *amounts: str, line: str = "travel", approval: UUID = APPROVAL) -> EventApproved:
    return EventApproved(
        event_id=EVENT,
        approval_id=approval,
        grant_id=grant,
        costs=tuple(CostLine(line_code=line, amount=MoneyValue(amount=Decimal(amount), currency="PLN")) for amount in amounts),
        deadline=DAY,
        host_organisation_id=new_id(),
        title=TITLE,
    )


PUBLISHED = EventPublished(event_id=EVENT, title=TITLE, kind="workshop", starts_at=DAY, ends_at=DAY)
CANCELLED = EventCancelled(event_id=EVENT, title=TITLE, reason="no speaker")
LAPSED = EventReturnedToDraft(event_id=EVENT, approval_id=APPROVAL, reason="overdue")


@pytest.fixture
def work() -> InMemoryWork:
    work = InMemoryWork()
    work.holding(a_grant(travel="100"))
    return work


@pytest.fixture
def grant(work: InMemoryWork) -> UUID:
    (grant,) = work.stored.grants
    return grant


def facts(work: InMemoryWork) -> list[type]:
    return [type(fact) for fact in work.facts]


def test_approval_publication_cancellation_and_return_are_heard() -> None:
    assert set(HANDLERS) == {type_of_model(message).ce_type for message in (EventApproved, EventPublished, EventCancelled, EventReturnedToDraft)}


async def test_an_approval_with_costs_reserves_them(work: InMemoryWork, grant: UUID) -> None:
    assert await reserve_for_event(approved(grant, "60"), work) is None
    assert (facts(work), work.balance("travel")) == ([CommitmentWasReserved], ("60.00", "0.00"))


async def test_an_approval_that_cannot_be_borne_is_answered_with_a_refusal(work: InMemoryWork, grant: UUID) -> None:
    assert await reserve_for_event(approved(grant, "101"), work) is None
    assert facts(work) == [CommitmentWasRefused]


@pytest.mark.parametrize("named", [True, False])
async def test_an_approval_without_costs_is_a_no_op(work: InMemoryWork, grant: UUID, named: bool) -> None:  # noqa: FBT001 - one case each
    assert await reserve_for_event(approved(grant if named else None), work) == Skipped("no-costs")
    assert facts(work) == []


async def test_an_approval_that_was_answered_is_a_no_op(work: InMemoryWork, grant: UUID) -> None:
    await reserve_for_event(approved(grant, "60"), work)
    assert await reserve_for_event(approved(grant, "60"), work) == Skipped("already-answered")


async def test_costs_without_a_grant_are_refused_as_input(work: InMemoryWork) -> None:
    with pytest.raises(Invalid):
        await reserve_for_event(approved(None, "60"), work)


@pytest.mark.parametrize("amounts", [("0",), ("-5",), ("0.001",), ("1", "2")])
async def test_costs_that_make_no_request_are_refused_as_input(work: InMemoryWork, grant: UUID, amounts: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        await reserve_for_event(approved(grant, *amounts), work)


async def test_publication_confirms_once(work: InMemoryWork, grant: UUID) -> None:
    await reserve_for_event(approved(grant, "60"), work)
    assert await confirm_for_event(PUBLISHED, work) is None
    assert await confirm_for_event(PUBLISHED, work) == Skipped("nothing-to-confirm")
    assert facts(work) == [CommitmentWasReserved, CommitmentWasConfirmed]


async def test_cancellation_releases_once(work: InMemoryWork, grant: UUID) -> None:
    await reserve_for_event(approved(grant, "60"), work)
    assert await release_for_event(CANCELLED, work) is None
    assert await release_for_event(CANCELLED, work) == Skipped("nothing-open")
    assert facts(work) == [CommitmentWasReserved, CommitmentWasReleased]


async def test_a_lapsed_approval_releases_what_came_too_late(work: InMemoryWork, grant: UUID) -> None:
    await reserve_for_event(approved(grant, "60"), work)
    assert await release_for_approval(LAPSED, work) is None
    assert work.balance("travel") == ("0.00", "0.00")


async def test_a_return_after_a_refusal_has_nothing_to_release(work: InMemoryWork, grant: UUID) -> None:
    await reserve_for_event(approved(grant, "101"), work)
    assert await release_for_approval(LAPSED, work) == Skipped("nothing-open")


async def test_without_a_commitment_publication_and_cancellation_are_no_ops(work: InMemoryWork) -> None:
    assert await confirm_for_event(PUBLISHED, work) == Skipped("nothing-to-confirm")
    assert await release_for_event(CANCELLED, work) == Skipped("nothing-open")
    assert facts(work) == []


async def test_after_a_refusal_the_next_approval_of_the_event_can_be_borne(work: InMemoryWork, grant: UUID) -> None:
    await reserve_for_event(approved(grant, "101"), work)
    await release_for_approval(LAPSED, work)
    await reserve_for_event(approved(grant, "99", approval=new_id()), work)
    assert work.balance("travel") == ("99.00", "0.00")
