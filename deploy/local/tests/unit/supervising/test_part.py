"""Parts are real processes here, small ones: what matters is what happens when they die."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from klaster_local.supervising import part as supervised
from klaster_local.supervising.part import FIRST_STARTS, Launch, Part
from klaster_local.supervising.record import PartState
from klaster_shared.embedded.errors import EngineError, ExitedEarly, PortTaken
from klaster_shared.embedded.supervision import Program
from klaster_shared.testing.waiting import eventually

FOREVER = "import signal; signal.pause()"


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[Callable[..., Part]]:
    """Makes parts that run a line of Python, and ends them after the test."""
    parts: list[Part] = []
    defects: list[BaseException] = []
    loop = asyncio.get_running_loop()

    def look() -> None:
        for part in parts:
            part.look()

    loop.add_signal_handler(signal.SIGCHLD, look)

    def make(code: str, *, ready: Callable[[], bool] = lambda: True, within: float = 10.0, ailment: Callable[[], str] = str) -> Part:
        program = Program(name="part", command=(sys.executable, "-c", code), log=tmp_path / "part.log", grace=5.0)
        launch = Launch(name="part", kind="service", url="", prepare=lambda _: program, ready=ready, ready_within=within, ailment=ailment)
        parts.append(Part(launch, changed=lambda: None, crashed=defects.append))
        return parts[-1]

    yield make
    for part in parts:
        await part.stop()
    loop.remove_signal_handler(signal.SIGCHLD)
    assert defects == []


async def test_a_part_is_running_when_it_is_ready(started: Callable[..., Part]) -> None:
    part = started(FOREVER)
    await part.start()
    assert part.record.state is PartState.RUNNING
    assert part.record.pid is not None
    assert part.record.created is not None


async def test_a_part_that_dies_is_started_again_and_counted(started: Callable[..., Part]) -> None:
    part = started(FOREVER)
    await part.start()
    first = part.record.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: part.record.state is PartState.PAUSED, what="the death to be noticed")
    assert "signal 9" in part.record.note
    await eventually(lambda: part.record.state is PartState.RUNNING, what="the part to be started again")
    assert part.record.pid != first
    assert part.record.restarts == 1


async def test_a_restart_that_is_asked_for_is_at_once_and_not_counted(started: Callable[..., Part]) -> None:
    part = started(FOREVER)
    await part.start()
    first = part.record.pid
    part.ask_restart()
    await eventually(lambda: part.record.state is PartState.RUNNING and part.record.pid != first, within=5, what="the part to be started again")
    assert part.record.restarts == 0


async def test_a_part_that_says_three_times_that_it_is_not_alive_is_started_again(
    started: Callable[..., Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "LOOK_SECONDS", 0.01)
    part = started(FOREVER, ailment=iter(["stuck", "stuck", "", "stuck", "stuck", "stuck", *[""] * 10_000]).__next__)
    await part.start()
    first = part.record.pid
    await eventually(lambda: part.record.state is PartState.PAUSED, what="the ailing part to be ended")
    assert "was not alive (stuck)" in part.record.note
    await eventually(lambda: part.record.state is PartState.RUNNING, what="the part to be started again")
    assert part.record.pid != first
    assert (part.record.restarts, part.record.ended) == (1, "was not alive (stuck)")


async def test_a_part_that_is_well_again_in_time_goes_on(started: Callable[..., Part], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "LOOK_SECONDS", 0.01)
    said = ["stuck", "stuck", *[""] * 3]
    part = started(FOREVER, ailment=lambda: said.pop(0) if said else "")
    await part.start()
    await eventually(lambda: not said, what="the part to be asked five times")
    assert (part.record.state, part.record.restarts) == (PartState.RUNNING, 0)


async def test_a_part_that_cannot_start_is_tried_three_times(started: Callable[..., Part]) -> None:
    part = started("raise SystemExit('no good')", ready=lambda: False)
    with pytest.raises(ExitedEarly, match="exit code 1") as failure:
        await part.start()
    assert "no good" in failure.value.details
    assert part.record.restarts == FIRST_STARTS - 1


async def test_a_taken_port_is_no_reason_to_try_again(tmp_path: Path) -> None:
    def prepare(_: object) -> Program:
        raise PortTaken(1025, "the mail sink", "KLASTER_SMTP_PORT")

    launch = Launch(name="mail", kind="engine", url="", prepare=prepare, ready=lambda: True, ready_within=1)
    part = Part(launch, changed=lambda: None, crashed=lambda _: None)
    with pytest.raises(EngineError, match="KLASTER_SMTP_PORT"):
        await part.start()
    assert part.record.restarts == 0


async def test_a_part_that_does_not_become_ready_is_ended(started: Callable[..., Part]) -> None:
    part = started(FOREVER, ready=lambda: False, within=0.3)
    with pytest.raises(EngineError, match="not ready within"):
        await part.start()


async def test_a_stopped_part_stays_stopped(started: Callable[..., Part]) -> None:
    part = started(FOREVER)
    await part.start()
    pid = part.record.pid
    assert pid is not None
    await part.stop()
    assert part.record.state is PartState.STOPPED
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
