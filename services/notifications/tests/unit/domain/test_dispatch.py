from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaster_notifications.domain.dispatch import ACCEPTED, LEASE, LONGEST_DIALOGUE, LONGEST_PAUSE, Answer, Dispatch, Verdict, pause_after
from klaster_notifications.domain.ids import ClaimId, DeliveryId
from klaster_notifications.testing import NOON
from klaster_shared.ids import new_id

BUSY = Answer(Verdict.DEFERRED, "smtp-451")
UNKNOWN_USER = Answer(Verdict.REFUSED, "smtp-550")


def a_claimed_dispatch(*, attempts: int = 0) -> Dispatch:
    return Dispatch(delivery=DeliveryId(new_id()), attempts=attempts, due_at=NOON + LEASE, claim=ClaimId(new_id()))


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (9, 256), (10, 512), (11, 900), (12, 900), (1000, 900)])
def test_pauses_double_from_a_second_to_a_quarter_of_an_hour(attempts: int, seconds: int) -> None:
    assert pause_after(attempts) == timedelta(seconds=seconds)


@given(attempts=st.integers(min_value=1, max_value=10**6))
def test_no_pause_is_shorter_than_the_one_before(attempts: int) -> None:
    assert pause_after(attempts) <= pause_after(attempts + 1) <= LONGEST_PAUSE


def test_a_deferred_mail_is_due_again_after_its_pause() -> None:
    dispatch = a_claimed_dispatch(attempts=2)

    verdict = dispatch.attempted(BUSY, at=NOON, most=10)

    assert verdict is Verdict.DEFERRED
    assert dispatch == Dispatch(delivery=dispatch.delivery, attempts=3, due_at=NOON + timedelta(seconds=4), claim=None, last_failure="smtp-451")


def test_an_accepted_mail_is_never_due_again() -> None:
    dispatch = a_claimed_dispatch()

    assert dispatch.attempted(ACCEPTED, at=NOON, most=10) is Verdict.ACCEPTED
    assert (dispatch.attempts, dispatch.due_at, dispatch.last_failure) == (1, None, None)


def test_a_refused_mail_is_never_due_again() -> None:
    dispatch = a_claimed_dispatch()

    assert dispatch.attempted(UNKNOWN_USER, at=NOON, most=10) is Verdict.REFUSED
    assert (dispatch.due_at, dispatch.last_failure) == (None, "smtp-550")


def test_a_mail_deferred_for_the_last_time_is_refused() -> None:
    dispatch = a_claimed_dispatch(attempts=9)

    assert dispatch.attempted(BUSY, at=NOON, most=10) is Verdict.REFUSED
    assert (dispatch.attempts, dispatch.due_at) == (10, None)


def test_an_accepted_mail_is_accepted_even_at_the_last_attempt() -> None:
    assert a_claimed_dispatch(attempts=9).attempted(ACCEPTED, at=NOON, most=10) is Verdict.ACCEPTED


def test_a_lease_is_longer_than_two_dialogues() -> None:
    assert 2 * LONGEST_DIALOGUE < LEASE
