"""One claim, mail by mail, without a database and without a mail server."""

import asyncio
import time
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from klaster_notifications.application.claim_mails import ClaimMails, claim_mails
from klaster_notifications.application.ports import MailServerAway
from klaster_notifications.domain.delivery import Status
from klaster_notifications.domain.dispatch import LONGEST_DIALOGUE, Answer, Dispatch, Verdict
from klaster_notifications.domain.ids import ClaimId
from klaster_notifications.domain.letters import OutgoingMail
from klaster_notifications.metrics import NotificationsMetrics
from klaster_notifications.sending.batch import ACTOR, Batch, Claim, ResultNotKept
from klaster_notifications.testing import NOON, FakeMailServer, InMemoryWork, a_delivery, a_letter, a_recipient
from klaster_shared.db.engine import DatabaseAway
from klaster_shared.ids import new_id
from klaster_shared.testing.fakes import FixedClock
from klaster_shared.web.testing import FakeTransactions

BUSY = Answer(Verdict.DEFERRED, "smtp-451")
HUNG_UP = Answer(Verdict.DEFERRED, "disconnected")
UNKNOWN_USER = Answer(Verdict.REFUSED, "smtp-550")


class Post:
    """Queued mails, a mail server, and a batch over them."""

    def __init__(self) -> None:
        self.work = InMemoryWork()
        self.server = FakeMailServer()
        self.transactions: Any = FakeTransactions(lambda _origin: self.work)
        self.registry = CollectorRegistry()
        self.metrics = NotificationsMetrics(self.registry, FixedClock(NOON))
        self.stopping = asyncio.Event()

    async def queue(self, mails: int) -> None:
        for number in range(mails):
            delivery = a_delivery(a_recipient(f"zin-member-{number:02}@example.org"))
            await self.work.deliveries.add(delivery, a_letter())
            await self.work.dispatches.add(Dispatch(delivery=delivery.id, due_at=NOON))

    async def batch(self, *, seconds_left: float = 120.0) -> Batch:
        claim = ClaimId(new_id())
        mails = await claim_mails(ClaimMails(claim=claim, most=100), self.work)
        held = Claim(id=claim, mails=mails, until=time.monotonic() + seconds_left)
        return Batch(held, self.server, self.transactions, self.metrics, most_attempts=3, stopping=self.stopping)

    def statuses(self) -> list[Status]:
        return [delivery.status for delivery in self.work.deliveries]

    async def dispatches(self) -> list[Dispatch]:
        return [await self.work.dispatches.get(delivery.id) for delivery in self.work.deliveries]

    def counted(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"klaster_notifications_{name}", labels)


async def test_each_mail_is_sent_once_over_one_connection_and_settled() -> None:
    post = Post()
    await post.queue(3)

    await (await post.batch()).run()

    assert post.statuses() == [Status.SENT] * 3
    assert (len(post.server.accepted), post.server.connections) == (3, 1)


async def test_a_result_is_written_in_the_flow_of_its_cause() -> None:
    post = Post()
    await post.queue(1)

    await (await post.batch()).run()

    (origin,) = post.transactions.origins
    (delivery,) = post.work.deliveries
    assert (origin.actor, origin.correlation_id, origin.causation_id) == (ACTOR, "flow", str(delivery.grounds.cause))


async def test_a_mail_that_is_deferred_or_refused_does_not_hold_up_the_next() -> None:
    post = Post()
    post.server.answers = [BUSY, UNKNOWN_USER]
    await post.queue(3)

    await (await post.batch()).run()

    assert sorted(post.statuses()) == [Status.FAILED, Status.QUEUED, Status.SENT]


async def test_after_a_hang_up_the_batch_goes_on_over_a_new_connection() -> None:
    post = Post()
    post.server.answers = [HUNG_UP]
    await post.queue(3)

    await (await post.batch()).run()

    assert (len(post.server.accepted), post.server.connections) == (2, 2)


async def test_a_server_that_is_away_counts_against_no_mail() -> None:
    post = Post()
    post.server.away = "unreachable"
    await post.queue(2)

    with pytest.raises(MailServerAway):
        await (await post.batch()).run()

    assert all(dispatch == Dispatch(delivery=dispatch.delivery, due_at=NOON) for dispatch in await post.dispatches())


async def test_a_server_that_refuses_us_halfway_counts_against_no_mail() -> None:
    post = Post()
    post.server.answers = [MailServerAway("sender-refused-550")]
    await post.queue(2)

    with pytest.raises(MailServerAway):
        await (await post.batch()).run()

    assert [dispatch.attempts for dispatch in await post.dispatches()] == [0, 0]


async def test_a_mail_that_our_own_code_cannot_send_is_deferred_like_any_other() -> None:
    post = Post()
    post.server.answers = [ZeroDivisionError()]
    await post.queue(2)

    await (await post.batch()).run()

    assert sorted(post.statuses()) == [Status.QUEUED, Status.SENT]
    assert [dispatch.last_failure for dispatch in await post.dispatches() if dispatch.due_at] == ["error"]


async def test_no_mail_is_begun_when_the_lease_might_run_out_under_it() -> None:
    post = Post()
    await post.queue(2)

    await (await post.batch(seconds_left=LONGEST_DIALOGUE.total_seconds() - 1)).run()

    assert post.server.accepted == []
    assert all(dispatch.claim is None for dispatch in await post.dispatches())


async def test_a_sender_that_is_told_to_stop_gives_back_the_rest() -> None:
    post = Post()
    await post.queue(2)
    batch = await post.batch()
    post.stopping.set()

    await batch.run()

    assert post.server.accepted == []
    assert all(dispatch.claim is None for dispatch in await post.dispatches())


async def test_a_batch_that_is_cut_off_gives_back_all_but_the_mail_that_may_have_left() -> None:
    post = Post()
    await post.queue(3)
    offered = asyncio.Event()

    async def never_answered(_mail: OutgoingMail) -> Answer:
        offered.set()
        return await asyncio.Future()

    post.server.send = never_answered  # type: ignore[method-assign, assignment]  # a dialogue that hangs
    sending = asyncio.create_task((await post.batch()).run())
    await offered.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)

    assert sorted(dispatch.claim is None for dispatch in await post.dispatches()) == [False, True, True]


async def test_a_result_waits_for_the_database() -> None:
    post = Post()
    post.transactions.beginnings = [DatabaseAway("away"), DatabaseAway("away")]
    await post.queue(1)

    await (await post.batch()).run()

    assert (post.statuses(), len(post.server.accepted)) == ([Status.SENT], 1)


async def test_a_result_that_cannot_be_kept_ends_the_sending() -> None:
    post = Post()
    post.transactions.endings = [asyncpg.CheckViolationError("no")]
    await post.queue(3)

    with pytest.raises(ResultNotKept):
        await (await post.batch()).run()

    assert len(post.server.accepted) == 1


async def test_attempts_are_counted_by_verdict_and_failures_by_kind() -> None:
    post = Post()
    post.server.answers = [BUSY, UNKNOWN_USER, HUNG_UP]
    await post.queue(4)

    await (await post.batch()).run()

    verdicts = {verdict: post.counted("send_attempts_total", verdict=verdict) for verdict in Verdict}
    assert verdicts == {Verdict.ACCEPTED: 1.0, Verdict.DEFERRED: 2.0, Verdict.REFUSED: 1.0}
    assert [post.counted("send_failures_total", kind=kind) for kind in ("smtp-4xx", "smtp-5xx", "disconnected")] == [1.0, 1.0, 1.0]
