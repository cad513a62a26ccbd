from klaster_budget.application.confirm_commitments import ConfirmCommitments, confirm_commitments
from klaster_budget.application.release_commitments import ReleaseCommitments, release_commitments
from klaster_budget.application.reserve_commitment import reserve_commitment
from klaster_budget.domain.facts import CommitmentWasConfirmed, CommitmentWasReleased
from klaster_budget.domain.ids import ApprovalId, EventId, GrantId
from klaster_budget.testing import InMemoryWork, a_grant, a_request, costs
from klaster_shared.ids import new_id


async def reserved(work: InMemoryWork, grant: GrantId, event: EventId, **amounts: str) -> ApprovalId:
    request = a_request(*costs(**amounts), grant=grant, event=event)
    await reserve_commitment(request, work)
    work.facts.clear()
    return request.approval


def a_work(event: EventId | None = None) -> tuple[InMemoryWork, GrantId, EventId]:
    work = InMemoryWork()
    return work, work.holding(a_grant(travel="100", venue="100")), event or EventId(new_id())


async def test_publication_confirms_what_is_open_once() -> None:
    work, grant, event = a_work()
    await reserved(work, grant, event, travel="60")
    assert len(await confirm_commitments(ConfirmCommitments(event=event), work)) == 1
    assert await confirm_commitments(ConfirmCommitments(event=event), work) == []
    assert [type(fact) for fact in work.facts] == [CommitmentWasConfirmed]
    assert work.balance("travel") == ("60.00", "0.00")


async def test_cancellation_releases_what_is_open_once() -> None:
    work, grant, event = a_work()
    await reserved(work, grant, event, travel="60", venue="10")
    assert len(await release_commitments(ReleaseCommitments(event=event), work)) == 1
    assert await release_commitments(ReleaseCommitments(event=event), work) == []
    assert [type(fact) for fact in work.facts] == [CommitmentWasReleased]
    assert (work.balance("travel"), work.balance("venue")) == (("0.00", "0.00"), ("0.00", "0.00"))


async def test_cancellation_of_one_event_leaves_the_others_alone() -> None:
    work, grant, event = a_work()
    await reserved(work, grant, EventId(new_id()), travel="60")
    assert await release_commitments(ReleaseCommitments(event=event), work) == []
    assert work.balance("travel") == ("60.00", "0.00")


async def test_a_lapsed_approval_releases_its_own_commitment_only() -> None:
    work, grant, event = a_work()
    lapsed = await reserved(work, grant, event, travel="60")
    await reserved(work, grant, event, travel="30")
    await release_commitments(ReleaseCommitments(event=event, approval=lapsed), work)
    assert work.balance("travel") == ("30.00", "0.00")


async def test_a_cancelled_event_releases_on_every_grant() -> None:
    work, grant, event = a_work()
    other = work.holding(a_grant(code="OTHER", boats="50"))
    await reserved(work, grant, event, travel="60")
    await reserved(work, other, event, boats="50")
    await release_commitments(ReleaseCommitments(event=event), work)
    assert (work.balance("travel"), work.balance("boats")) == (("0.00", "0.00"), ("0.00", "0.00"))
