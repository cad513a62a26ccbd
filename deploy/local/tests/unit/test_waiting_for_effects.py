"""The wait itself, against services whose answers change from look to look."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from klaster_local import settling
from klaster_local.endpoints import Ends, NotAnswering
from klaster_local.failures import CommandFailed
from klaster_local.settling import settle

QUIET: dict[str, Any] = {"pending": 0}
ENDS: Ends = {("klaster.partners.network.v1", 0): (0, 3)}
LONGER: Ends = {("klaster.partners.network.v1", 0): (0, 4)}


class FakeService:
    """Answers with what its script says for the number of the look."""

    def __init__(self, outbox: Callable[[int], Any]) -> None:
        self._outbox = outbox
        self.looks = 0

    async def get(self, path: str, **_: object) -> Any:
        if path == "/v1/deliveries":
            return {"items": []}
        self.looks += 1
        answer = self._outbox(self.looks)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def positions(self) -> list[Any]:
        return []


class FakeLog:
    ends: ClassVar[list[Ends]]

    def __init__(self, _: str) -> None:
        self._left = list(self.ends)

    def read(self) -> Ends:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> type[FakeLog]:
    """No broker: the ends of the logs are those of the test, the last one for ever."""

    class Log(FakeLog):
        ends: ClassVar[list[Ends]] = [ENDS]

    monkeypatch.setattr(settling, "LogEnds", Log)
    monkeypatch.setattr(settling, "LOOK_SECONDS", 0)
    monkeypatch.setattr(settling, "behind", lambda *_: 0)
    return Log


async def settled(outbox: Callable[[int], Any], within: float = 5.0) -> tuple[FakeService, list[str]]:
    service, words = FakeService(outbox), list[str]()
    services: Mapping[str, Any] = {"notifications": service}
    await settle(services, "nowhere:9092", show=words.append, within=within)
    return service, words


async def test_one_quiet_look_proves_nothing_two_do(log: type[FakeLog]) -> None:
    assert log.ends
    service, _ = await settled(lambda _: QUIET)
    assert service.looks == 2


async def test_a_message_published_between_two_looks_makes_a_third_one_necessary(log: type[FakeLog]) -> None:
    log.ends = [ENDS, LONGER]
    service, _ = await settled(lambda _: QUIET)
    assert service.looks == 3


async def test_what_is_under_way_is_said(log: type[FakeLog]) -> None:
    assert log.ends
    _, words = await settled(lambda look: {"pending": 4} if look == 1 else QUIET)
    assert words[0] == "4 messages to be published, 0 to be handled"


async def test_a_service_that_is_away_is_waited_for(log: type[FakeLog]) -> None:
    assert log.ends
    service, words = await settled(lambda look: NotAnswering("budget does not answer") if look == 2 else QUIET)
    assert service.looks == 4
    assert words[1] == "budget does not answer"


async def test_waiting_has_an_end_and_says_what_is_missing(log: type[FakeLog]) -> None:
    assert log.ends
    with pytest.raises(CommandFailed, match="7 messages to be published"):
        await settled(lambda _: {"pending": 7}, within=0.05)
