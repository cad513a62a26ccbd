import asyncio

import pytest

from klaster_shared.testing.waiting import StillNotTrue, eventually, wait_until


def after(looks: int) -> list[bool]:
    return [False] * looks + [True]


def test_waiting_ends_when_the_condition_comes_about() -> None:
    answers = iter(after(2))
    assert wait_until(lambda: next(answers)) is True


def test_waiting_returns_what_the_condition_found() -> None:
    assert wait_until(lambda: "found") == "found"


def test_a_failed_assertion_counts_as_not_yet() -> None:
    answers = iter(after(1))

    def condition() -> bool:
        assert next(answers)
        return True

    assert wait_until(condition)


def test_any_other_error_ends_the_waiting_at_once() -> None:
    def condition() -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        wait_until(condition)


def test_giving_up_tells_what_was_awaited_and_what_was_seen_last() -> None:
    with pytest.raises(StillNotTrue, match=r"three rows did not come about within 0 s; last seen: \[\]"):
        wait_until(list[int], within=0, what="three rows")


def test_giving_up_without_a_name_shows_the_condition_itself() -> None:
    with pytest.raises(StillNotTrue, match="1 > 2"):
        wait_until(lambda: 1 > 2, within=0)  # noqa: PLR0133 - never true is the point


async def test_an_asynchronous_condition_is_awaited() -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)

    async def condition() -> bool:
        await asyncio.sleep(0)
        return done.is_set()

    assert await eventually(condition)


async def test_the_event_loop_runs_on_while_a_test_waits() -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, done.set)
    assert await eventually(done.is_set)


async def test_giving_up_on_an_asynchronous_condition_tells_what_was_awaited() -> None:
    with pytest.raises(StillNotTrue, match="a miracle"):
        await eventually(lambda: False, within=0, what="a miracle")
