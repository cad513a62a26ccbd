"""What counts as a standstill, and what begins the count anew."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from klaster_shared import watchdog
from klaster_shared.observability.metrics import Metrics
from klaster_shared.watchdog import LOOK_SECONDS, STANDSTILL_SECONDS, Look, Watch, Watchdog


class Seen:
    """A component as a script: one look after the other, the last one again and again."""

    name = "consumer c"

    def __init__(self, *looks: Look | Exception | None) -> None:
        self.looks = list(looks)

    async def look(self) -> Look | None:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return look


WAITING = Look("3 messages wait", 7)


def after(looks: Sequence[Look | None]) -> Watch:
    watch = Watch(Seen(None))
    for number, look in enumerate(looks):
        watch.note(look, number * LOOK_SECONDS)
    return watch


def test_work_that_waits_longer_than_the_window_without_progress_is_a_standstill() -> None:
    looks = int(STANDSTILL_SECONDS / LOOK_SECONDS) + 1
    assert not after([WAITING] * looks).stands_still
    assert after([WAITING] * (looks + 1)).stands_still


def test_whatever_gets_done_begins_the_count_anew() -> None:
    assert not after([WAITING] * 4 + [Look("3 messages wait", 8)] * 4).stands_still


def test_a_queue_that_was_empty_once_begins_the_count_anew() -> None:
    assert not after([WAITING] * 4 + [Look(None, 7)] + [WAITING] * 4).stands_still


def test_a_look_at_which_nothing_could_be_seen_begins_the_count_anew() -> None:
    assert not after([WAITING] * 4 + [None] + [WAITING] * 4).stands_still


def test_nothing_to_do_is_no_standstill_however_long() -> None:
    assert not after([Look(None, 7)] * 50).stands_still


def test_progress_ends_a_standstill() -> None:
    assert not after([WAITING] * 9 + [Look("2 messages wait", 8)]).stands_still


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look with the same sight is a standstill."""
    monkeypatch.setattr(watchdog, "STANDSTILL_SECONDS", -1.0)


@pytest.mark.usefixtures("at_once")
async def test_the_report_says_what_stands_still_and_that_only_a_new_start_helps() -> None:
    metrics = Metrics(CollectorRegistry())
    dog = Watchdog([Seen(WAITING)], metrics)
    await dog.look()
    report = dog.report()
    assert (report["alive"], report["ok"], list(report["standstill"])) == (False, False, ["consumer c"])
    assert "3 messages wait" in report["standstill"]["consumer c"]
    assert metrics.registry.get_sample_value("klaster_standstill_seconds", {"component": "consumer c"}) is not None


def test_a_watchdog_that_has_not_looked_yet_takes_everything_for_alive() -> None:
    assert Watchdog([Seen(WAITING)], Metrics(CollectorRegistry())).report()["alive"]


async def test_a_component_whose_database_or_broker_does_not_answer_is_not_restarted_for_it() -> None:
    dog = Watchdog([Seen(ConnectionRefusedError())], Metrics(CollectorRegistry()))
    for _ in range(20):
        await dog.look()
    assert dog.report()["alive"]


async def test_a_look_that_does_not_end_is_given_up_and_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        name = "relay"

        async def look(self) -> Look | None:
            await asyncio.Future()
            return None

    monkeypatch.setattr(watchdog, "PATIENCE_SECONDS", 0.01)
    dog = Watchdog([Endless()], Metrics(CollectorRegistry()))
    await dog.look()
    assert dog.report()["alive"]
