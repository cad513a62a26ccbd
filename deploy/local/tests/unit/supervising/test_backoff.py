from klaster_local.supervising.backoff import LONGEST_SECONDS, STEADY_SECONDS, BackOff


def test_the_pause_doubles_with_every_early_death() -> None:
    backoff = BackOff()
    assert [backoff.after(0.5) for _ in range(5)] == [1, 2, 4, 8, 16]


def test_the_pause_stays_at_half_a_minute() -> None:
    backoff = BackOff()
    assert [backoff.after(0) for _ in range(100)][-1] == LONGEST_SECONDS


def test_a_part_that_ran_for_a_minute_is_started_again_at_once_as_the_first_time() -> None:
    backoff = BackOff(deaths=7)
    assert backoff.after(STEADY_SECONDS) == 1
