"""What the row locks are for: many who want the same money at once, in whatever order they name its lines."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from random import Random

import asyncpg
import pytest

from klaster_budget.adapters.reading import StoredBooks, contradicting_lines
from klaster_budget.adapters.work import BudgetWork
from klaster_budget.application.declare_expenditure import DeclareExpenditure, declare_expenditure
from klaster_budget.application.queries import Concerning
from klaster_budget.application.release_commitments import ReleaseCommitments, release_commitments
from klaster_budget.application.reserve_commitment import reserve_commitment
from klaster_budget.bootstrap import Parts
from klaster_budget.domain.commitment import Commitment, CommitmentStatus
from klaster_budget.domain.errors import DocumentAlreadyDeclared, LineExceeded
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import EventId, GrantCode, GrantId
from klaster_budget.domain.ledger import LineBalance
from klaster_budget.domain.refusals import Refusal, RefusalReason
from klaster_budget.domain.requests import CommitmentRequest
from klaster_budget.testing import a_claim, a_document, a_grant, a_request, costs, pln
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines

type NewWork = Callable[[], AbstractAsyncContextManager[BudgetWork]]


@pytest.fixture(autouse=True)
async def empty(parts: Parts) -> None:
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE grant_agreement, commitment, outbox CASCADE")


async def stored(new_work: NewWork, grant: Grant) -> Grant:
    async with new_work() as work:
        await work.grants.save(grant)
    return grant


async def reserve(new_work: NewWork, request: CommitmentRequest) -> Commitment | None:
    async with new_work() as work:
        return await reserve_commitment(request, work)


async def declare(new_work: NewWork, grant: Grant, number: str, amount: str, event: EventId | None = None) -> Expenditure:
    async with new_work() as work:
        claim = a_claim(amount, event=event, of=a_document(number))
        return await declare_expenditure(DeclareExpenditure(grant=grant.id, claim=claim, source="http"), work)


async def balance(parts: Parts, grant: Grant, line: str = "travel") -> LineBalance:
    async with parts.database.connect() as connection:
        assert await contradicting_lines(connection) == 0
        return (await StoredBooks(connection).grant(grant.id)).balances[line]


async def test_of_fifty_who_reserve_at_once_a_line_for_ten_serves_ten(parts: Parts, new_work: NewWork) -> None:
    grant = await stored(new_work, a_grant(travel="1000"))

    answers = await asyncio.gather(*(reserve(new_work, a_request(*costs(travel="100"), grant=grant.id)) for _ in range(50)))

    assert Counter(answer.status for answer in answers if answer) == {CommitmentStatus.RESERVED: 10, CommitmentStatus.REFUSED: 40}
    assert (await balance(parts, grant)).committed == pln("1000")


async def test_lines_in_any_order_never_deadlock(parts: Parts, new_work: NewWork) -> None:
    grant = await stored(new_work, a_grant(a="100", b="100", c="100", d="100", e="100", f="100"))
    order = Random(8)

    def request() -> CommitmentRequest:
        lines = order.sample("abcdef", 4)
        return a_request(*costs(**dict.fromkeys(lines, "1")), grant=grant.id)

    answers = await asyncio.gather(*(reserve(new_work, request()) for _ in range(60)))

    assert {answer.status for answer in answers if answer} == {CommitmentStatus.RESERVED}


async def test_transactions_that_take_one_line_after_another_never_deadlock(new_work: NewWork) -> None:
    """A chunk of messages is one transaction: two of them meet in opposite order, unless the first takes all lines of the grant."""
    grant = await stored(new_work, a_grant(a="100", b="100"))

    async def chunk(*lines: str) -> None:
        async with new_work() as work:
            for line in lines:
                await reserve_commitment(a_request(*costs(**{line: "1"}), grant=grant.id), work)

    await asyncio.gather(*(chunk(*lines) for lines in [("a", "b"), ("b", "a")] * 20))


async def test_the_same_approval_at_the_same_time_is_answered_once(parts: Parts, new_work: NewWork) -> None:
    grant = await stored(new_work, a_grant(travel="1000"))
    request = a_request(*costs(travel="100"), grant=grant.id)

    answers = await asyncio.gather(*(reserve(new_work, request) for _ in range(10)))

    assert sum(answer is not None for answer in answers) == 1
    assert (await balance(parts, grant)).committed == pln("100")


async def test_the_same_refusal_for_an_unknown_grant_is_stored_once(new_work: NewWork) -> None:
    request = a_request()
    answers = await asyncio.gather(*(reserve(new_work, request) for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(answer, Commitment) for answer in answers) == 1
    assert all(answer is None or isinstance(answer, Commitment | asyncpg.UniqueViolationError) for answer in answers)


async def test_of_twenty_who_declare_one_document_at_once_one_does(parts: Parts, new_work: NewWork) -> None:
    grant = await stored(new_work, a_grant(travel="1000"))

    answers = await asyncio.gather(*(declare(new_work, grant, "FV/1", "100") for _ in range(20)), return_exceptions=True)

    assert sum(isinstance(answer, Expenditure) for answer in answers) == 1
    assert sum(isinstance(answer, DocumentAlreadyDeclared) for answer in answers) == 19
    assert (await balance(parts, grant)).declared == pln("100")


async def test_invoices_that_race_for_the_last_money_never_exceed_the_line(parts: Parts, new_work: NewWork) -> None:
    grant = await stored(new_work, a_grant(travel="1000"))

    answers = await asyncio.gather(*(declare(new_work, grant, f"FV/{number}", "300") for number in range(10)), return_exceptions=True)

    assert Counter(type(answer) for answer in answers) == {Expenditure: 3, LineExceeded: 7}
    assert (await balance(parts, grant)).available == pln("100")


async def test_an_invoice_and_a_cancellation_share_what_was_reserved_exactly(parts: Parts, new_work: NewWork) -> None:
    grant = await stored(new_work, a_grant(travel="1000"))
    events = [EventId(new_id()) for _ in range(10)]
    for event in events:
        await reserve(new_work, a_request(*costs(travel="100"), grant=grant.id, event=event))

    async def cancel(event: EventId) -> None:
        async with new_work() as work:
            await release_commitments(ReleaseCommitments(event=event), work)

    race = [cancel(event) for event in events] + [declare(new_work, grant, str(event), "60", event) for event in events]
    outcomes = await asyncio.gather(*race, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} <= {type(None), Expenditure, LineExceeded}
    declared = sum(isinstance(outcome, Expenditure) for outcome in outcomes)
    after = await balance(parts, grant)
    assert (after.committed, after.declared) == (pln("0"), pln(str(60 * declared)))
    async with parts.database.connect() as connection:
        commitments = await StoredBooks(connection).commitments(Concerning(grant=grant.id), after=None, rows=20)
    assert not any(commitment.is_open for commitment in commitments)


@pytest.mark.parametrize("change", ["committed = planned + 1", "declared = -1", "committed = 60, declared = 41"])
async def test_the_database_has_the_last_word_on_balances(parts: Parts, new_work: NewWork, change: str) -> None:
    await stored(new_work, a_grant(travel="100"))
    with pytest.raises(asyncpg.CheckViolationError):
        async with parts.database.connect() as connection:
            await connection.execute(f"UPDATE budget_line SET {change}")  # noqa: S608 - a constant of this test


async def test_a_balance_that_parted_from_its_commitments_is_found(parts: Parts, new_work: NewWork) -> None:
    await stored(new_work, a_grant(travel="100", venue="100"))
    async with parts.database.connect() as connection:
        await connection.execute("UPDATE budget_line SET committed = 1 WHERE code = 'travel'")
        assert await contradicting_lines(connection) == 1


async def test_a_grant_that_appears_between_locking_and_reading_is_still_unknown(new_work: NewWork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines are not locked: a balance read now could be written over somebody else's."""
    grant = a_grant(travel="100")
    async with new_work() as work:
        lock = work.ledgers.lock

        async def lock_before_it_appears(key: GrantId | GrantCode) -> bool:
            locked = await lock(key)
            await stored(new_work, grant)
            return locked

        monkeypatch.setattr(work.ledgers, "lock", lock_before_it_appears)
        answer = await reserve_commitment(a_request(*costs(travel="100"), grant=grant.id), work)

    assert answer is not None
    assert answer.refusal == Refusal(reason=RefusalReason.UNKNOWN_GRANT)
