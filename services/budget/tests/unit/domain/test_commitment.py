from collections.abc import Callable

import pytest

from klaster_budget.domain.commitment import Commitment, CommitmentStatus
from klaster_budget.domain.facts import (
    CommitmentWasConfirmed,
    CommitmentWasConsumed,
    CommitmentWasRefused,
    CommitmentWasReleased,
    CommitmentWasReserved,
)
from klaster_budget.domain.ids import CommitmentId
from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.refusals import RefusalReason
from klaster_budget.domain.requests import LineAmount
from klaster_budget.testing import NOON, a_ledger, a_request, costs, eur, pln
from klaster_shared.errors import Invalid
from klaster_shared.ids import new_id


def answer(*asked: LineAmount, ledger: Ledger | None) -> Commitment:
    return Commitment.answering(CommitmentId(new_id()), a_request(*asked), ledger, at=NOON)


def test_every_cost_is_reserved_on_its_line() -> None:
    ledger = a_ledger(travel="100", venue="50")
    commitment = answer(*costs(travel="60", venue="50"), ledger=ledger)
    assert commitment.status is CommitmentStatus.RESERVED
    assert (ledger["travel"].committed, ledger["venue"].available) == (pln("60"), pln("0"))


def test_the_reservation_tells_what_was_reserved_and_what_is_open() -> None:
    commitment = answer(*costs(travel="60"), ledger=a_ledger(travel="100"))
    (fact,) = commitment.facts
    assert isinstance(fact, CommitmentWasReserved)
    assert fact.lines == fact.still_open == costs(travel="60")


@pytest.mark.parametrize(
    ("asked", "reason", "line", "shortfalls"),
    [
        pytest.param(costs(travel="100.01"), RefusalReason.INSUFFICIENT, "travel", costs(travel="0.01"), id="one line short"),
        pytest.param(
            costs(travel="1", venue="60", food="31"),
            RefusalReason.INSUFFICIENT,
            "venue",
            costs(venue="10", food="1"),
            id="the first short line and all short lines, in the order asked",
        ),
        pytest.param(costs(travel="1000", boats="1"), RefusalReason.UNKNOWN_LINE, "boats", (), id="an unknown line goes before a short one"),
        pytest.param(
            (LineAmount(line_code="venue", amount=eur("1")), *costs(travel="1000")),
            RefusalReason.OTHER_CURRENCY,
            "venue",
            (),
            id="another currency goes before a short one",
        ),
    ],
)
def test_a_refusal_names_its_reason_and_the_lines_concerned(
    asked: tuple[LineAmount, ...], reason: RefusalReason, line: str, shortfalls: tuple[LineAmount, ...]
) -> None:
    refusal = answer(*asked, ledger=a_ledger(travel="100", venue="50", food="30")).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.line_code, refusal.shortfalls) == (reason, line, shortfalls)


def test_a_refusal_reserves_nothing_on_any_line() -> None:
    ledger = a_ledger(travel="100", venue="50")
    commitment = answer(*costs(travel="60", venue="50.01"), ledger=ledger)
    assert commitment.status is CommitmentStatus.REFUSED
    assert ledger.changes() == []


def test_a_request_to_an_unknown_grant_is_refused() -> None:
    commitment = answer(*costs(travel="1"), ledger=None)
    (fact,) = commitment.facts
    assert isinstance(fact, CommitmentWasRefused)
    assert (fact.refusal.reason, fact.refusal.line_code, fact.refusal.short_by) == (RefusalReason.UNKNOWN_GRANT, None, None)


@pytest.mark.parametrize("asked", [costs(travel="0"), costs(travel="-1"), (*costs(travel="1"), *costs(travel="2"))])
def test_costs_that_are_not_above_zero_on_lines_of_their_own_are_no_request(asked: tuple[LineAmount, ...]) -> None:
    with pytest.raises(Invalid):
        a_request(*asked)


def reserved() -> tuple[Commitment, Ledger]:
    """60 on travel and 40 on venue, of 100 each; its facts are stored."""
    ledger = a_ledger(travel="100", venue="100")
    commitment = answer(*costs(travel="60", venue="40"), ledger=ledger)
    commitment.stored()
    return commitment, ledger


def consume(commitment: Commitment, ledger: Ledger, line: str, amount: str) -> None:
    taken = commitment.consume(line, pln(amount), at=NOON)
    ledger.declare(line, pln(amount), from_commitments=taken)


type Step = Callable[[Commitment, Ledger], None]

STEPS: dict[str, Step] = {
    "confirm": lambda commitment, _: commitment.confirm(at=NOON),
    "release": lambda commitment, ledger: commitment.release(ledger, at=NOON),
    "consume some": lambda commitment, ledger: consume(commitment, ledger, "travel", "10"),
    "consume travel": lambda commitment, ledger: consume(commitment, ledger, "travel", "60"),
    "consume venue": lambda commitment, ledger: consume(commitment, ledger, "venue", "40"),
}


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([], CommitmentStatus.RESERVED),
        (["confirm"], CommitmentStatus.CONFIRMED),
        (["consume some"], CommitmentStatus.PARTLY_CONSUMED),
        (["confirm", "consume some"], CommitmentStatus.PARTLY_CONSUMED),
        (["consume travel"], CommitmentStatus.PARTLY_CONSUMED),
        (["consume travel", "consume venue"], CommitmentStatus.CONSUMED),
        (["release"], CommitmentStatus.RELEASED),
        (["confirm", "consume travel", "release"], CommitmentStatus.RELEASED),
    ],
)
def test_the_status_follows_from_the_sums(steps: list[str], status: CommitmentStatus) -> None:
    commitment, ledger = reserved()
    for step in steps:
        STEPS[step](commitment, ledger)
    assert commitment.status is status


def test_confirming_tells_what_became_firm_and_changes_no_sum() -> None:
    commitment, ledger = reserved()
    consume(commitment, ledger, "travel", "10")
    commitment.stored()
    commitment.confirm(at=NOON)
    (fact,) = commitment.facts
    assert isinstance(fact, CommitmentWasConfirmed)
    assert fact.lines == fact.still_open == costs(travel="50", venue="40")


def test_confirming_is_recorded_once() -> None:
    commitment, _ = reserved()
    commitment.confirm(at=NOON)
    commitment.confirm(at=NOON)
    assert len(commitment.facts) == 1


@pytest.mark.parametrize("closing", [["release"], ["consume travel", "consume venue"]])
def test_with_nothing_open_neither_confirming_nor_releasing_writes_anything(closing: list[str]) -> None:
    commitment, ledger = reserved()
    for step in closing:
        STEPS[step](commitment, ledger)
    commitment.stored()
    commitment.confirm(at=NOON)
    commitment.release(ledger, at=NOON)
    assert not commitment.is_changed


def test_releasing_gives_back_what_is_open_and_leaves_what_was_consumed() -> None:
    commitment, ledger = reserved()
    consume(commitment, ledger, "travel", "60")
    consume(commitment, ledger, "venue", "15")
    commitment.stored()
    commitment.release(ledger, at=NOON)
    (fact,) = commitment.facts
    assert isinstance(fact, CommitmentWasReleased)
    assert fact.lines == costs(venue="25")
    assert fact.still_open == costs(travel="0", venue="0")
    assert [ledger[code].available for code in ("travel", "venue")] == [pln("40"), pln("85")]


def test_consuming_takes_no_more_than_is_open() -> None:
    commitment, _ = reserved()
    assert commitment.consume("travel", pln("1000"), at=NOON) == pln("60")


def test_consuming_tells_the_amount_and_what_is_left_on_every_line() -> None:
    commitment, _ = reserved()
    commitment.consume("travel", pln("20"), at=NOON)
    (fact,) = commitment.facts
    assert isinstance(fact, CommitmentWasConsumed)
    assert (fact.lines, fact.still_open) == (costs(travel="20"), costs(travel="40", venue="40"))


@pytest.mark.parametrize("line", ["boats", "venue"])
def test_consuming_where_nothing_is_open_writes_nothing(line: str) -> None:
    commitment, ledger = reserved()
    consume(commitment, ledger, "venue", "40")
    commitment.stored()
    assert commitment.consume(line, pln("1"), at=NOON).is_zero
    assert not commitment.is_changed


def test_a_refused_commitment_can_be_neither_confirmed_nor_released() -> None:
    ledger = a_ledger(travel="1")
    commitment = answer(*costs(travel="2"), ledger=ledger)
    commitment.stored()
    commitment.confirm(at=NOON)
    commitment.release(ledger, at=NOON)
    assert not commitment.is_changed
