"""One suite for the two implementations of the ports: what use-case tests rely on in memory is what PostgreSQL does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from itertools import count
from typing import cast

import pytest

from klaster_budget.application.ports import BudgetWork
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.errors import UnknownGrant
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import ApprovalId, CommitmentId, EventId, ExpenditureId, GrantCode, GrantId
from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.requests import CommitmentRequest, LineAmount
from klaster_budget.testing import NOON, InMemoryWork, a_claim, a_document, a_grant, a_quotation, a_rate, a_request, costs, eur, pln, terms_of
from klaster_shared.errors import StaleVersion
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines

type Begin = Callable[[], AbstractAsyncContextManager[BudgetWork]]

_codes = (f"G-{number}" for number in count())
_days = (date.fromordinal(ordinal) for ordinal in count(date(1990, 1, 1).toordinal()))


@pytest.fixture(params=["in memory", "on PostgreSQL"])
def begin(request: pytest.FixtureRequest) -> Begin:
    if request.param == "on PostgreSQL":
        return cast("Begin", request.getfixturevalue("new_work"))
    work = InMemoryWork()

    @asynccontextmanager
    async def same() -> AsyncIterator[BudgetWork]:
        yield work

    return same


@pytest.fixture
async def grant(begin: Begin) -> Grant:
    """100 on travel, 50 on venue."""
    grant = a_grant(code=next(_codes), travel="100", venue="50")
    async with begin() as work:
        await work.grants.save(grant)
    return grant


async def answered(work: BudgetWork, request: CommitmentRequest) -> Commitment:
    ledger = await work.ledgers.find(request.grant, [cost.line_code for cost in request.costs])
    commitment = Commitment.answering(CommitmentId(new_id()), request, ledger, at=NOON)
    await work.commitments.save(commitment)
    if ledger is not None:
        await work.ledgers.save(ledger)
    return commitment


async def stored_commitment(begin: Begin, grant: Grant, *asked: LineAmount, event: EventId | None = None) -> Commitment:
    async with begin() as work:
        return await answered(work, a_request(*asked, grant=grant.id, event=event))


async def test_a_grant_is_found_by_its_code(begin: Begin, grant: Grant) -> None:
    async with begin() as work:
        assert await work.grants.coded(grant.code) == grant.id
        assert await work.grants.coded(GrantCode(grant.code.lower())) is None


async def test_a_ledger_is_found_by_id_and_by_code_with_the_lines_that_exist(begin: Begin, grant: Grant) -> None:
    async with begin() as work:
        for key in (grant.id, grant.code):
            assert await work.ledgers.lock(key)
            ledger = await work.ledgers.get(key, ["travel", "boats"])
            assert ledger.terms == terms_of(grant)
            assert ("travel" in ledger, "boats" in ledger, "venue" in ledger) == (True, False, False)
            assert ledger["travel"].available == pln("100")


async def test_a_grant_without_the_lines_asked_for_is_still_a_grant(begin: Begin, grant: Grant) -> None:
    async with begin() as work:
        ledger = await work.ledgers.find(grant.id, ["boats"])
    assert ledger is not None
    assert ledger.currency == "PLN"


@pytest.mark.parametrize("key", [GrantId(new_id()), GrantCode("unknown")])
async def test_an_unknown_grant_locks_nothing_and_has_no_ledger(begin: Begin, key: GrantId | GrantCode) -> None:
    async with begin() as work:
        assert not await work.ledgers.lock(key)
        assert await work.ledgers.find(key, ["travel"]) is None
        with pytest.raises(UnknownGrant):
            await work.ledgers.get(key, ["travel"])


async def test_changed_balances_are_stored_and_the_others_left(begin: Begin, grant: Grant) -> None:
    async with begin() as work:
        ledger = await work.ledgers.get(grant.id, ["travel", "venue"])
        ledger.commit("travel", pln("30"))
        ledger.declare("travel", pln("20.50"), from_commitments=pln("10"))
        await work.ledgers.save(ledger)

    async with begin() as work:
        after = await work.ledgers.get(grant.id, ["travel", "venue"])
    assert (after["travel"].committed, after["travel"].declared) == (pln("20"), pln("20.50"))
    assert after["venue"].available == pln("50")


async def test_an_untouched_ledger_is_saved_without_effect(begin: Begin, grant: Grant) -> None:
    async with begin() as work:
        ledger: Ledger = await work.ledgers.get(grant.id, ["travel"])
        await work.ledgers.save(ledger)
        assert (await work.ledgers.get(grant.id, ["travel"]))["travel"] == ledger["travel"]


async def test_a_commitment_comes_back_as_it_was_stored(begin: Begin, grant: Grant) -> None:
    commitment = await stored_commitment(begin, grant, *costs(venue="5", travel="60.01"))

    async with begin() as work:
        assert await work.commitments.open_of(commitment.event, grant.id) == [commitment]


async def test_every_step_of_a_commitment_is_stored(begin: Begin, grant: Grant) -> None:
    commitment = await stored_commitment(begin, grant, *costs(travel="60", venue="40"))
    commitment.confirm(at=NOON)
    commitment.consume("travel", pln("12.34"), at=NOON)
    async with begin() as work:
        await work.commitments.save(commitment)
    commitment.consume("venue", pln("40"), at=NOON)
    async with begin() as work:
        await work.commitments.save(commitment)

    async with begin() as work:
        (read,) = await work.commitments.open_of(commitment.event, grant.id)
    assert (read, read.version) == (commitment, 4)


async def test_an_approval_is_answered_by_a_reservation_or_by_a_refusal(begin: Begin, grant: Grant) -> None:
    reserved = await stored_commitment(begin, grant, *costs(travel="1"))
    refused = await stored_commitment(begin, grant, *costs(travel="1000"))

    async with begin() as work:
        assert await work.commitments.answered(reserved.event, reserved.approval)
        assert await work.commitments.answered(refused.event, refused.approval)
        assert not await work.commitments.answered(reserved.event, ApprovalId(new_id()))


async def test_a_refusal_for_a_grant_that_does_not_exist_is_stored(begin: Begin) -> None:
    async with begin() as work:
        refused = await answered(work, a_request())
        assert await work.commitments.answered(refused.event, refused.approval)


async def test_open_lines_are_listed_by_grant_without_what_is_used_up(begin: Begin, grant: Grant) -> None:
    event = EventId(new_id())
    commitment = await stored_commitment(begin, grant, *costs(travel="10", venue="10"), event=event)
    await stored_commitment(begin, grant, *costs(travel="10"), event=event)
    await stored_commitment(begin, grant, *costs(travel="1000"), event=event)
    async with begin() as work:
        commitment.consume("venue", pln("10"), at=NOON)
        await work.commitments.save(commitment)

        assert await work.commitments.open_lines(event) == {grant.id: ["travel"]}
        assert await work.commitments.open_lines(EventId(new_id())) == {}


async def test_open_commitments_of_an_event_come_oldest_first(begin: Begin, grant: Grant) -> None:
    event = EventId(new_id())
    kept = [await stored_commitment(begin, grant, *costs(travel="10"), event=event) for _ in range(3)]
    async with begin() as work:
        ledger = await work.ledgers.get(grant.id, ["travel"])
        kept[1].release(ledger, at=NOON)
        await work.commitments.save(kept[1])

        assert [commitment.id for commitment in await work.commitments.open_of(event, grant.id)] == [kept[0].id, kept[2].id]
        assert await work.commitments.open_of(event, GrantId(new_id())) == []


async def test_of_two_who_read_the_same_commitment_the_second_to_save_is_stale(begin: Begin, grant: Grant) -> None:
    commitment = await stored_commitment(begin, grant, *costs(travel="10"))
    async with begin() as work:
        (first,), (second,) = [await work.commitments.open_of(commitment.event, grant.id) for _ in range(2)]
        first.confirm(at=NOON)
        second.consume("travel", pln("1"), at=NOON)
        await work.commitments.save(first)
        with pytest.raises(StaleVersion):
            await work.commitments.save(second)


async def test_an_expenditure_comes_back_by_its_document_and_line(begin: Begin, grant: Grant) -> None:
    document = a_document("FV/1", issuer="Hotel pod Różą", nip=None)
    async with begin() as work:
        ledger = await work.ledgers.get(grant.id, ["travel", "venue"])
        expenditure = Expenditure.declared(
            ExpenditureId(new_id()),
            a_claim(eur("10.01"), of=document, event=EventId(new_id())),
            rate=a_quotation("4.25000000"),
            ledger=ledger,
            commitments=[],
            source="http",
            by="local",
            at=NOON,
        )
        await work.expenditures.save(expenditure)

    async with begin() as work:
        spelt_otherwise = a_document(" fv/1 ", issuer="HOTEL  POD RÓŻĄ", nip=None)
        assert await work.expenditures.of_document(spelt_otherwise, ledger["travel"].id) == expenditure
        assert await work.expenditures.of_document(document, ledger["venue"].id) is None
        assert await work.expenditures.of_document(a_document("FV/2", issuer="Hotel pod Różą", nip=None), ledger["travel"].id) is None


async def test_a_rate_is_found_by_day_and_source(begin: Begin) -> None:
    day = next(_days)
    rate = a_rate("EUR", a_quotation("4.25000000", on=day))
    async with begin() as work:
        await work.rates.add(rate)

        assert await work.rates.quoted("EUR", day, "NBP") == rate
        assert await work.rates.quoted("EUR", day, "ECB") is None
        assert await work.rates.quoted("GBP", day, "NBP") is None


async def test_of_the_rates_of_a_day_the_first_registered_is_found(begin: Begin) -> None:
    day = next(_days)
    first, second = a_rate("EUR", a_quotation(source="NBP", on=day)), a_rate("EUR", a_quotation(source="ECB", on=day))
    async with begin() as work:
        await work.rates.add(second)
        await work.rates.add(first)

        assert await work.rates.first_registered("EUR", day) == first
        assert await work.rates.first_registered("EUR", next(_days)) is None
