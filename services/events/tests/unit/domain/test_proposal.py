from dataclasses import replace

import pytest

from klaster_events.domain.proposal import MOST_COSTS, MOST_SEATS
from klaster_events.testing import a_cost, a_proposal
from klaster_shared.errors import Invalid


@pytest.mark.parametrize("capacity", [1, MOST_SEATS])
def test_a_capacity_within_bounds_is_taken(capacity: int) -> None:
    assert a_proposal(capacity=capacity).capacity == capacity


@pytest.mark.parametrize("capacity", [0, -1, MOST_SEATS + 1])
def test_a_capacity_out_of_bounds_is_refused(capacity: int) -> None:
    with pytest.raises(Invalid) as refusal:
        a_proposal(capacity=capacity)

    assert refusal.value.field == "capacity"


def test_costs_without_a_grant_are_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        replace(a_proposal(a_cost()), grant=None)

    assert refusal.value.field == "grant_id"


def test_a_grant_without_costs_is_taken() -> None:
    assert not replace(a_proposal(a_cost()), costs=()).needs_money


def test_a_line_may_be_named_once_only() -> None:
    with pytest.raises(Invalid) as refusal:
        a_proposal(a_cost("2.1", "10.00"), a_cost("2.1", "20.00"))

    assert refusal.value.field == "costs"


def test_a_hundred_costs_are_taken_and_one_more_is_refused() -> None:
    costs = [a_cost(f"2.{number}") for number in range(MOST_COSTS + 1)]

    assert len(a_proposal(*costs[:-1]).costs) == MOST_COSTS
    with pytest.raises(Invalid):
        a_proposal(*costs)


@pytest.mark.parametrize("amount", ["0.00", "-0.01"])
def test_a_cost_must_be_above_zero(amount: str) -> None:
    with pytest.raises(Invalid) as refusal:
        a_cost(amount=amount)

    assert refusal.value.field == "costs"
