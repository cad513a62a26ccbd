"""The component around the batches: when it claims, how it behaves while the mail server is away, how it stops."""

import asyncio
from typing import Any, Self, cast

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from klaster_notifications.domain.delivery import Status
from klaster_notifications.domain.dispatch import Answer, Dispatch
from klaster_notifications.domain.letters import OutgoingMail
from klaster_notifications.metrics import NotificationsMetrics
from klaster_notifications.sending import sender as module
from klaster_notifications.sending.sender import Sender
from klaster_notifications.testing import NOON, FakeMailServer, InMemoryWork, a_delivery, a_letter, a_recipient
from klaster_shared.db.engine import DatabaseAway
from klaster_shared.testing.fakes import FixedClock
from klaster_shared.testing.waiting import eventually
from klaster_shared.web.testing import FakeTransactions


class SlowMailServer(FakeMailServer):
    """Takes a mail only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()

    async def send(self, mail: OutgoingMail) -> Answer:
        self.arrived.set()
        await self.go_on.wait()
        return await super().send(mail)


class Post:
    def __init__(self, server: FakeMailServer | None = None) -> None:
        self.work: Any = InMemoryWork()
        self.server = server or FakeMailServer()
        self.transactions = FakeTransactions(lambda _origin: self.work)
        self.registry = CollectorRegistry()
        metrics = NotificationsMetrics(self.registry, FixedClock(NOON))
        self.sender = Sender(cast("Any", self.transactions), self.server, metrics, connections=2, most_attempts=3)

    async def queue(self, mails: int = 1) -> None:
        for _ in range(mails):
            delivery = a_delivery(a_recipient())
            await self.work.deliveries.add(delivery, a_letter())
            await self.work.dispatches.add(Dispatch(delivery=delivery.id, due_at=NOON))

    def all_sent(self) -> bool:
        return all(delivery.status is Status.SENT for delivery in self.work.deliveries)

    async def __aenter__(self) -> Self:
        await self.sender.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sender.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rhythm of a test: the poll stays a second, so that what is found earlier was found by waking."""
    monkeypatch.setattr(module, "_AWAY_PAUSES", (0.01, 0.02))


async def test_what_lies_queued_at_the_start_is_sent() -> None:
    post = Post()
    await post.queue(45)

    async with post:
        await eventually(post.all_sent)

    assert len(post.server.accepted) == 45


async def test_a_wake_sends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 3600.0)
    async with Post() as post:
        await eventually(lambda: post.transactions.committed)
        await post.queue()

        post.sender.wake()

        await eventually(lambda: post.server.accepted)


async def test_without_a_wake_the_poll_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    async with Post() as post:
        await eventually(lambda: post.transactions.committed)
        await post.queue()

        await eventually(lambda: post.server.accepted)


async def test_while_the_server_is_away_mails_wait_and_the_report_says_so() -> None:
    post = Post()
    post.server.away = "unreachable"
    await post.queue(3)

    async with post:
        await eventually(lambda: post.sender.report()["trouble"] == "unreachable")
        assert post.registry.get_sample_value("klaster_notifications_mail_server_up") == 0
        post.server.away = None
        await eventually(post.all_sent)

    assert (len(post.server.accepted), post.sender.report()["ok"]) == (3, True)
    assert post.registry.get_sample_value("klaster_notifications_mail_server_up") == 1


async def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    post = Post()
    post.transactions.beginnings = [DatabaseAway("away"), asyncpg.UndefinedTableError("not migrated")]
    await post.queue()

    async with post:
        await eventually(post.all_sent)

    assert post.sender.report()["ok"]


async def test_a_sender_that_cannot_keep_results_sends_no_more() -> None:
    post = Post()
    await post.queue()
    kept = post.work.dispatches.save

    async def lost(_: Dispatch) -> None:
        raise asyncpg.CheckViolationError("no")

    post.work.dispatches.save = lost
    async with post:
        await eventually(lambda: "restart" in (post.sender.report()["trouble"] or ""))
        post.work.dispatches.save = kept
        await post.queue()
        post.sender.wake()

    assert len(post.server.accepted) == 1


async def test_stopping_waits_for_the_mail_in_hand_and_twice_is_once() -> None:
    server = SlowMailServer()
    post = Post(server)
    await post.queue()
    await post.sender.start()
    await server.arrived.wait()
    stopping = asyncio.create_task(post.sender.stop())
    await asyncio.sleep(0)
    server.go_on.set()
    await stopping
    await post.sender.stop()

    assert post.all_sent()


async def test_stopping_before_the_start_does_nothing() -> None:
    await Post().sender.stop()
