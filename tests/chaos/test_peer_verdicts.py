from tests.chaos.peers.judging import duplicated, lost, reordered, without_effect


def test_an_order_without_effect_is_lost() -> None:
    assert lost([("a", 1), ("a", 2)], [("a", 1)]) == 1


def test_every_further_effect_of_an_order_is_a_duplicate() -> None:
    assert duplicated([("a", 1), ("a", 1), ("a", 1), ("b", 1)]) == 2


def test_an_effect_after_one_of_a_later_order_of_the_customer_is_out_of_order() -> None:
    assert reordered([("a", 1), ("a", 3), ("a", 2), ("a", 4)]) == 1


def test_customers_have_no_order_between_them() -> None:
    assert reordered([("a", 2), ("b", 1), ("a", 3), ("b", 2)]) == 0


def test_a_second_effect_is_a_duplicate_and_not_out_of_order() -> None:
    assert reordered([("a", 1), ("a", 2), ("a", 1)]) == 0


def test_bad_orders_may_wait_for_the_fix_and_others_may_not() -> None:
    assert without_effect({("a", 1): True, ("a", 2): False, ("b", 1): False}, [("b", 1)]) == 1
