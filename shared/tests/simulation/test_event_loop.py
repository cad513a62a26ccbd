"""Virtual time, and processes that die in it as real ones do."""

import asyncio
import time

import pytest

from klaster_shared.testing.simulation.event_loop import Frozen, Process, SimulatedLoop


@pytest.fixture
def loop() -> SimulatedLoop:
    return SimulatedLoop()


async def counting(seen: list[float], loop: SimulatedLoop) -> None:
    try:
        while True:
            await asyncio.sleep(1)
            seen.append(loop.time())
    finally:
        seen.append(-1.0)


def test_an_hour_passes_at_once(loop: SimulatedLoop) -> None:
    begun = time.monotonic()
    loop.run(asyncio.sleep(3600))
    assert loop.time() == 3600
    assert time.monotonic() - begun < 60


def test_timeouts_strike_in_virtual_time(loop: SimulatedLoop) -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 5)

    loop.run(run())
    assert loop.time() == 5


def test_a_killed_process_runs_no_further_line(loop: SimulatedLoop) -> None:
    seen: list[float] = []

    async def run() -> None:
        process = Process("doomed", loop)
        process.spawn(counting(seen, loop))
        await asyncio.sleep(2.5)
        process.kill()
        await asyncio.sleep(10)
        assert seen == [1, 2]
        process.bury()

    loop.run(run())


def test_what_a_process_starts_dies_with_it(loop: SimulatedLoop) -> None:
    seen: list[float] = []

    async def parent() -> None:
        child = asyncio.create_task(counting(seen, loop))
        await child

    async def run() -> None:
        process = Process("parent", loop)
        process.spawn(parent())
        await asyncio.sleep(1.5)
        process.kill()
        await asyncio.sleep(10)
        assert seen == [1]
        process.bury()

    loop.run(run())


def test_a_frozen_process_goes_on_as_if_nothing_had_been(loop: SimulatedLoop) -> None:
    seen: list[float] = []

    async def run() -> None:
        process = Process("frozen", loop)
        process.spawn(counting(seen, loop))
        await asyncio.sleep(1.5)
        process.frozen_until = 30.0
        await asyncio.sleep(30)
        assert seen == [1, 30, 31]
        process.kill()
        process.bury()

    loop.run(run())


def test_a_wait_for_nothing_is_told(loop: SimulatedLoop) -> None:
    with pytest.raises(Frozen):
        loop.run(asyncio.Event().wait())


def test_an_error_that_nobody_handles_ends_the_run(loop: SimulatedLoop) -> None:
    async def run() -> None:
        loop.fail(ValueError("not simulated"))
        await asyncio.sleep(1)

    with pytest.raises(RuntimeError, match="the simulation itself failed"):
        loop.run(run())
