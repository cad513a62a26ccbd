import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from klaster_shared.lifecycle import Role
from klaster_shared.testing.waiting import eventually
from klaster_shared.web import lifespan
from klaster_shared.web.draining import Doors
from klaster_shared.web.lifespan import Fitness, Startup, State

READY = Fitness(State.READY, "ready")
AWAY = Fitness(State.DATABASE_AWAY, "away")
BEHIND = Fitness(State.MIGRATIONS_PENDING, "behind")
REFUSED = Fitness(State.DATABASE_REFUSES, "wrong password")


class ScriptedReadiness:
    """Answers with the given states, the last one for ever."""

    def __init__(self, *states: Fitness) -> None:
        self.states = list(states)

    async def check(self) -> Fitness:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


class Part:
    def __init__(self, name: str, story: list[str], *, role: Role | None = Role.CONSUMERS, fails: str = "") -> None:
        self.name, self.story, self.role, self.fails = name, story, role, fails

    async def start(self) -> None:
        if self.fails == "start":
            raise OSError
        self.story.append(f"{self.name} started")

    async def stop(self) -> None:
        if self.fails == "stop":
            raise OSError
        if self.fails == "hang":
            await asyncio.Event().wait()
        self.story.append(f"{self.name} stopped")

    def report(self) -> Mapping[str, Any]:
        return {"component": self.name, "ok": True}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(lifespan, "_LONGEST_PAUSE", 0.001)


@pytest.fixture
def story() -> list[str]:
    return []


def startup_of(readiness: ScriptedReadiness, *parts: Part, doors: Doors | None = None) -> Startup:
    return Startup(readiness, parts, doors or Doors())  # type: ignore[arg-type]  # the scripted readiness has the one method that is called


async def test_components_start_in_order_and_workers_are_stopped_before_the_relay(story: list[str]) -> None:
    parts = Part("gauges", story, role=None), Part("relay", story, role=Role.RELAY), Part("consumer", story)
    startup = startup_of(ScriptedReadiness(READY), *parts)
    startup.begin()
    await eventually(lambda: len(story) == 3, within=5, what="all components to start")
    await startup.end()
    assert story == ["gauges started", "relay started", "consumer started", "consumer stopped", "relay stopped", "gauges stopped"]


async def test_the_relay_goes_on_until_the_last_request_is_answered(story: list[str]) -> None:
    doors, answered = Doors(), asyncio.Event()

    async def request() -> None:
        with doors.request():
            await answered.wait()
            story.append("answered")

    startup = startup_of(ScriptedReadiness(READY), Part("relay", story, role=Role.RELAY), doors=doors)
    startup.begin()
    await eventually(lambda: bool(story), within=5, what="the relay to start")
    serving, ending = asyncio.create_task(request()), asyncio.create_task(startup.end())
    await eventually(lambda: doors.closed, within=5, what="the door to close")
    answered.set()
    await asyncio.gather(serving, ending)
    assert story == ["relay started", "answered", "relay stopped"]


async def test_a_stop_that_is_asked_for_twice_happens_once(story: list[str]) -> None:
    startup = startup_of(ScriptedReadiness(READY), Part("consumer", story))
    startup.begin()
    await eventually(lambda: bool(story), within=5, what="the consumer to start")
    await asyncio.gather(startup.end(), startup.end())
    assert story == ["consumer started", "consumer stopped"]


async def test_the_start_waits_for_the_database_and_says_so_once_per_change_of_state(story: list[str]) -> None:
    with capture_logs() as logs:
        startup = startup_of(ScriptedReadiness(AWAY, AWAY, AWAY, BEHIND, BEHIND, READY), Part("relay", story))
        startup.begin()
        await eventually(lambda: bool(story), within=5, what="the relay to start")
        await startup.end()
    assert [line["state"] for line in logs if line["event"] == "waiting"] == [State.DATABASE_AWAY, State.MIGRATIONS_PENDING]


async def test_a_refused_password_is_hopeless(story: list[str]) -> None:
    startup = startup_of(ScriptedReadiness(AWAY, REFUSED), Part("relay", story))
    startup.begin()
    await asyncio.wait_for(startup.hopeless.wait(), 5)
    await startup.end()
    assert (startup.reason, story) == ("wrong password", [])


async def test_a_component_that_cannot_start_is_hopeless_and_the_others_are_stopped(story: list[str]) -> None:
    with capture_logs():
        startup = startup_of(ScriptedReadiness(READY), Part("relay", story), Part("consumer", story, fails="start"))
        startup.begin()
        await asyncio.wait_for(startup.hopeless.wait(), 5)
        await startup.end()
    assert startup.reason == "consumer could not start (OSError)"
    assert "relay stopped" in story


@pytest.mark.parametrize("fault", ["stop", "hang"])
async def test_a_component_that_does_not_stop_does_not_keep_the_others(story: list[str], monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(lifespan, "WORK_SECONDS", 0.05)
    with capture_logs() as logs:
        startup = startup_of(ScriptedReadiness(READY), Part("relay", story, role=Role.RELAY), Part("consumer", story, fails=fault))
        startup.begin()
        await eventually(lambda: "consumer started" in story, within=5, what="both components to start")
        await startup.end()
    assert "relay stopped" in story
    assert [line["component"] for line in logs if line["event"] == "component did not stop cleanly"] == ["consumer"]


async def test_a_service_can_be_stopped_while_it_waits(story: list[str]) -> None:
    with capture_logs():
        startup = startup_of(ScriptedReadiness(AWAY), Part("relay", story))
        startup.begin()
        await startup.end()
    assert story == []
