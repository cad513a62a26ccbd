from klaster_budget.application.reserve_commitment import reserve_commitment
from klaster_budget.domain.commitment import CommitmentStatus
from klaster_budget.domain.facts import CommitmentWasRefused, CommitmentWasReserved
from klaster_budget.testing import InMemoryWork, a_grant, a_request, costs


async def test_an_approval_reserves_its_costs_on_the_grant() -> None:
    work = InMemoryWork()
    grant = work.holding(a_grant(travel="100"))
    await reserve_commitment(a_request(*costs(travel="60"), grant=grant), work)
    assert work.balance("travel") == ("60.00", "0.00")
    assert [type(fact) for fact in work.facts] == [CommitmentWasReserved]


async def test_a_refusal_is_stored_so_that_the_approval_counts_as_answered() -> None:
    work = InMemoryWork()
    grant = work.holding(a_grant(travel="100"))
    request = a_request(*costs(travel="100.01"), grant=grant)
    refused = await reserve_commitment(request, work)
    assert refused is not None
    assert refused.status is CommitmentStatus.REFUSED
    assert await work.commitments.answered(request.event, request.approval)


async def test_an_approval_of_an_unknown_grant_is_refused_and_stored() -> None:
    work = InMemoryWork()
    await reserve_commitment(a_request(), work)
    assert [type(fact) for fact in work.facts] == [CommitmentWasRefused]


async def test_an_approval_is_answered_once() -> None:
    work = InMemoryWork()
    request = a_request(*costs(travel="60"), grant=work.holding(a_grant(travel="100")))
    await reserve_commitment(request, work)
    assert await reserve_commitment(request, work) is None
    assert work.balance("travel") == ("60.00", "0.00")


async def test_a_new_approval_of_the_event_is_answered_anew() -> None:
    work = InMemoryWork()
    grant = work.holding(a_grant(travel="100"))
    first = a_request(*costs(travel="101"), grant=grant)
    await reserve_commitment(first, work)
    await reserve_commitment(a_request(*costs(travel="99"), grant=grant, event=first.event), work)
    assert [type(fact) for fact in work.facts] == [CommitmentWasRefused, CommitmentWasReserved]
