import pytest

from klaster_budget.domain.errors import LineExceeded, UnknownLine
from klaster_budget.domain.ids import LineId
from klaster_budget.domain.ledger import LineBalance
from klaster_budget.testing import a_ledger, pln
from klaster_shared.ids import new_id


def test_available_is_what_is_planned_and_neither_committed_nor_declared() -> None:
    ledger = a_ledger(travel="100")
    ledger.commit("travel", pln("30"))
    ledger.declare("travel", pln("25"), from_commitments=pln("10"))
    balance = ledger["travel"]
    assert (balance.committed, balance.declared, balance.available) == (pln("20"), pln("25"), pln("55"))


def test_no_more_can_be_committed_than_is_available() -> None:
    ledger = a_ledger(travel="100")
    ledger.commit("travel", pln("60"))
    with pytest.raises(LineExceeded) as refused:
        ledger.commit("travel", pln("40.01"))
    assert refused.value.fields["short_by"] == {"amount": "0.01", "currency": "PLN"}


def test_what_was_reserved_may_be_declared_on_a_line_without_a_rest() -> None:
    ledger = a_ledger(travel="100")
    ledger.commit("travel", pln("100"))
    ledger.declare("travel", pln("100"), from_commitments=pln("100"))
    assert ledger["travel"].declared == pln("100")


def test_beyond_what_was_reserved_a_declaration_needs_what_is_available() -> None:
    ledger = a_ledger(travel="100")
    ledger.commit("travel", pln("100"))
    with pytest.raises(LineExceeded):
        ledger.declare("travel", pln("60"), from_commitments=pln("59.99"))


def test_a_line_that_the_grant_does_not_have_is_not_found() -> None:
    with pytest.raises(UnknownLine):
        a_ledger(travel="1")["venue"]


def test_changes_are_the_changed_lines_alone_in_the_order_of_their_ids() -> None:
    ledger = a_ledger(a="1", b="1", c="1")
    ledger.commit("c", pln("1"))
    ledger.commit("a", pln("1"))
    assert [balance.code for balance in ledger.changes()] == ["a", "c"]


@pytest.mark.parametrize(("committed", "declared"), [("-0.01", "0"), ("0", "-0.01"), ("60", "40.01")])
def test_balances_that_contradict_each_other_do_not_exist(committed: str, declared: str) -> None:
    with pytest.raises(ValueError, match="planned"):
        LineBalance(id=LineId(new_id()), code="x", planned=pln("100"), committed=pln(committed), declared=pln(declared))
