from klaster_shared.consuming.pausing import PACES, Cause, Pauses
from klaster_shared.consuming.positions import Partition

P0, P1 = Partition("t", 0), Partition("t", 1)


def test_each_pause_of_a_partition_is_twice_as_long_as_the_one_before_up_to_a_limit() -> None:
    pauses, now, lengths = Pauses(), 0.0, []
    for _ in range(9):
        pauses.begin(P0, Cause.BLOCKED, "why", now)
        began = now
        while not pauses.end_due(now):
            now += 0.25
        lengths.append(now - began)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_pauses_of_one_partition_are_no_business_of_another() -> None:
    pauses = Pauses()
    pauses.begin(P0, Cause.BLOCKED, "why", 0)
    pauses.begin(P0, Cause.BLOCKED, "why", 0)
    pauses.begin(P1, Cause.BLOCKED, "why", 0)
    assert pauses.end_due(PACES[Cause.BLOCKED].first) == [P1]


def test_after_progress_the_pauses_begin_short_again() -> None:
    pauses = Pauses()
    for _ in range(5):
        pauses.begin(P0, Cause.QUOTA, "why", 0)
    assert pauses.end(P0)
    pauses.begin(P0, Cause.QUOTA, "why", 0)
    assert pauses.end_due(PACES[Cause.QUOTA].first) == [P0]


def test_a_partition_that_is_tried_again_counts_as_paused_until_it_gets_on() -> None:
    pauses = Pauses()
    pauses.begin(P0, Cause.HELD, "why", 0)
    assert pauses.end_due(10) == [P0]
    assert (pauses.end_due(20), len(pauses), pauses.reasons()) == ([], 1, {P0: "why"})
    assert pauses.end(P0)
    assert (pauses.end(P0), len(pauses)) == (False, 0)
