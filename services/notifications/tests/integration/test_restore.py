"""The whole store is lost and made again from the log: the same deliveries, and not one mail more than there would have been."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from prometheus_client import Gauge

from klaster_notifications import bootstrap
from klaster_notifications.application.claim_mails import ClaimMails, claim_mails
from klaster_notifications.application.settle_delivery import SettleDelivery, settle_delivery
from klaster_notifications.domain.dispatch import ACCEPTED, Answer, Verdict
from klaster_notifications.domain.ids import ClaimId, DeliveryId
from klaster_notifications.restoring.restore import RecordIncomplete, Restoration, Restore, StoreInUse, release_unsettled
from klaster_notifications.restoring.store_guard import StoreGuard
from klaster_notifications.settings import NotificationsSettings
from klaster_notifications.testing import NOON, a_cancellation, a_confirmation, a_contact_added, a_refusal, an_upgrade, hear, heard
from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.contracts.registry import type_of
from klaster_shared.db.migrating import migrate
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin
from klaster_shared.testing.fakes import FixedClock
from klaster_shared.testing.memory_log import MemoryLog
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

HEARD = (topics.PARTNERS_ORGANISATION, topics.PARTNERS_MEMBERSHIP, topics.EVENTS_REGISTRATION, topics.BUDGET_COMMITMENT)
COLUMNS = "row(d.id, cause_id, cause_type, rule, template, template_version, channel, recipient_id, recipient_kind, recipient_name, address, locale, subject, flow, queued_at, status, settled_at, reason, version)"
CHECKSUM = f"SELECT encode(sha256(convert_to(coalesce(string_agg(md5({COLUMNS}::text), '' ORDER BY d.id), ''), 'UTF8')), 'hex') FROM delivery d"  # noqa: S608

type Heard = tuple[Message, Envelope]


class World:
    """A notifications service on a store of its own, and the log that outlives it."""

    def __init__(self, parts: bootstrap.Parts, clock: FixedClock, log: MemoryLog) -> None:
        self.parts = parts
        self.clock = clock
        self.log = log
        self.lost = Gauge("store_lost", "As the guard shows it.", registry=None)

    async def caused(self, *messages: Message) -> list[Heard]:
        """What other services say lies in the log; nobody here has heard it yet."""
        told = [(message, heard(message, recorded_at=self.clock.now())) for message in messages]
        for message, envelope in told:
            self.log.write(type_of(message).topic, envelope)
        return told

    async def hear(self, told: Sequence[Heard]) -> None:
        """As the live consumers do, each message in its transaction; what they publish is in the log at once."""
        for message, envelope in told:
            async with self.parts.transactions.begin(Origin(actor="test", correlation_id="", causation_id="")) as work:
                await hear(work, message, envelope)
            await self.published()

    async def settle(self, answer: Answer, most: int = 1) -> list[DeliveryId]:
        """What the sender does with mails that are due."""
        self.clock.advance(timedelta(seconds=1))
        claim = ClaimId(new_id())
        async with self.parts.transactions.begin(Origin(actor="sender", correlation_id="flow", causation_id="")) as work:
            mails = await claim_mails(ClaimMails(claim=claim, most=most), work)
        for mail in mails:
            async with self.parts.transactions.begin(Origin(actor="sender", correlation_id=mail.flow, causation_id=str(mail.cause))) as work:
                await settle_delivery(SettleDelivery(delivery=mail.delivery, claim=claim, answer=answer, most=24), work)
        await self.published()
        return [mail.delivery for mail in mails]

    async def published(self) -> list[str]:
        """Publishes the outbox; the types, in order."""
        async with self.parts.database.connect() as connection:
            rows = await connection.fetch("DELETE FROM outbox RETURNING *")
        rows.sort(key=lambda row: row["id"])
        for row in rows:
            self.log.publish(row)
        return [row["type"].split(".")[-2] for row in rows]

    async def ask(self, sql: str) -> Any:
        async with self.parts.database.connect() as connection:
            return await connection.fetchval(sql)

    async def restore(self, **given: Any) -> Restoration:
        restore = Restore(self.parts.database, self.parts.letters, self.parts.assembly.consumers, self.log, self.log, clock=self.clock)
        return await restore.run(actor="tester", reason="the store was lost", **given)

    @property
    def guard(self) -> StoreGuard:
        return StoreGuard(self.parts.database, self.log, self.lost)


@pytest.fixture(scope="module")
async def stores(new_database: Callable[[], str]) -> Sequence[str]:
    """One that is lost and one that is found: making and dropping databases costs more than most tests."""
    urls = [new_database(), new_database()]
    for url in urls:
        await migrate("klaster_notifications", url)
    return urls


@pytest.fixture
async def new_world(stores: Sequence[str]) -> AsyncIterator[Callable[..., Any]]:
    """The first is an empty store and an empty log; given that one, the second is an empty store beside its log."""
    async with AsyncExitStack() as worlds:

        async def make(lost: World | None = None) -> World:
            settings = NotificationsSettings.load(database_url=stores[lost is not None])
            clock = FixedClock(NOON if lost is None else lost.clock.now())
            parts = bootstrap.build(settings, clock=clock)
            worlds.push_async_callback(parts.database.dispose)
            async with parts.database.connect() as connection:
                await connection.execute("TRUNCATE delivery, letter, dispatch, contact, cause, outbox, operator_act, consumer_position")
            return World(parts, clock, MemoryLog(*HEARD, topics.NOTIFICATIONS_DELIVERY) if lost is None else lost.log)

        yield make


@pytest.fixture
async def lost(new_world: Callable[..., Any]) -> World:
    """A store in which much has happened: one mail sent, one failed, one suppressed, the others still queued."""
    world: World = await new_world()
    organisation, address = new_id(), "shared@example.org"
    story = [
        a_contact_added(organisation_id=organisation, email=address),
        a_contact_added(organisation_id=organisation, email=address, name="Event manager 02"),
        a_refusal(host_organisation_id=organisation),
        an_upgrade(organisation_id=organisation),
        a_confirmation(),
        a_confirmation(email="not an address"),
        a_cancellation(),
    ]
    await world.hear(await world.caused(*story))
    await world.settle(ACCEPTED)
    await world.settle(Answer(Verdict.REFUSED, "smtp-550"))
    return world


async def test_the_same_deliveries_are_there_again_and_nothing_leaves(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    done = await found.restore()
    assert await found.ask(CHECKSUM) == await lost.ask(CHECKSUM)
    assert orjson.loads(orjson.dumps(done.as_json())) | {"failures": []} == {
        "deliveries": 5, "queued": 2, "sent": 1, "failed": 1, "suppressed": 1, "unsettled": "held", "missing": 0, "reworded": 0, "unreadable": 0,
        "failures": [],
    }  # fmt: skip
    assert await found.published() == []


async def test_the_letters_are_those_that_were_written(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    await found.restore()
    letters = "SELECT md5(string_agg(row(l.*)::text, '' ORDER BY delivery_id)) FROM letter l"
    assert await found.ask(letters) == await lost.ask(letters)


async def test_what_was_never_reported_sent_is_held(lost: World, new_world: Callable[..., Any]) -> None:
    """It may have been mailed a moment before the store was lost: at most once, unless somebody decides otherwise."""
    found: World = await new_world(lost)
    await found.restore()
    assert await found.settle(ACCEPTED, most=100) == []


async def test_what_is_held_is_sent_under_its_old_id_when_an_operator_says_so(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    await found.restore()
    async with found.parts.database.connect() as connection:
        assert await release_unsettled(connection, found.clock.now(), actor="tester", reason="they were never sent") == 2
    sent = await found.settle(ACCEPTED, most=100)
    assert sorted(sent) == sorted(await lost.settle(ACCEPTED, most=100))


async def test_restored_with_what_is_unsettled_due_it_is_sent_at_once(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    await found.restore(send_unsettled=True)
    assert len(await found.settle(ACCEPTED, most=100)) == 2


async def test_later_facts_of_a_restored_delivery_continue_its_numbers(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    await found.restore(send_unsettled=True)
    (settled,) = await found.settle(ACCEPTED, most=1)
    facts = [dict(record.headers) for record in found.log.of(topics.NOTIFICATIONS_DELIVERY) if record.key == str(settled).encode()]
    assert [fact["ce_sequence"] for fact in facts] == [b"%020d" % 1, b"%020d" % 2]


async def test_hearing_everything_from_the_beginning_writes_to_nobody_twice(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    organisation = new_id()
    unheard = await lost.caused(a_confirmation(email="missed@example.org"), a_contact_added(organisation_id=organisation))
    await found.restore()
    before = await found.ask("SELECT count(*) FROM delivery")
    await found.hear(everything(found))
    await found.hear(everything(found))
    assert await found.ask("SELECT count(*) FROM delivery") == before + 1
    assert await found.ask("SELECT cause_id FROM delivery WHERE address = 'missed@example.org'") == unheard[0][1].inbox_id
    assert len(await found.settle(ACCEPTED, most=100)) == 1


async def test_messages_of_the_first_release_are_enough(lost: World, new_world: Callable[..., Any]) -> None:
    """They name neither rule nor template: both follow from the cause."""
    old = MemoryLog(*HEARD, topics.NOTIFICATIONS_DELIVERY)
    for topic in (*HEARD, topics.NOTIFICATIONS_DELIVERY):
        for record in lost.log.of(topic):
            body = orjson.loads(record.value or b"{}")
            if topic == topics.NOTIFICATIONS_DELIVERY:
                body = {name: value for name, value in body.items() if name not in {"rule", "template", "template_version", "reason"}}
            old.append(topic, record.key, orjson.dumps(body), record.headers)
    found: World = await new_world(lost)
    found.log = old
    done = await found.restore()
    assert done.missing == 0
    without_reasons = (
        "SELECT md5(string_agg(row(id, cause_id, rule, template, template_version, address, status, version)::text, '' ORDER BY id)) FROM delivery"
    )
    assert await found.ask(without_reasons) == await lost.ask(without_reasons)


async def test_a_delivery_told_twice_in_the_log_is_one(lost: World, new_world: Callable[..., Any]) -> None:
    for topic in (*HEARD, topics.NOTIFICATIONS_DELIVERY):
        for record in list(lost.log.of(topic)):
            lost.log.append(topic, record.key, record.value, record.headers)
    found: World = await new_world(lost)
    await found.restore()
    assert await found.ask(CHECKSUM) == await lost.ask(CHECKSUM)


async def test_a_store_in_use_is_not_restored(lost: World) -> None:
    before = await lost.ask(CHECKSUM)
    with pytest.raises(StoreInUse):
        await lost.restore()
    assert await lost.ask(CHECKSUM) == before


async def test_a_rehearsal_changes_nothing(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    done = await found.restore(rehearsal=True)
    assert sum(done.restored.by_status.values()) == 5
    assert await found.ask("SELECT count(*) FROM delivery") == 0
    assert await found.ask("SELECT count(*) FROM operator_act") == 0


async def test_a_delivery_without_a_cause_in_the_log_is_left_out_only_on_demand(lost: World, new_world: Callable[..., Any]) -> None:
    lost.log.of(topics.EVENTS_REGISTRATION).clear()
    found: World = await new_world(lost)
    with pytest.raises(RecordIncomplete, match="3 deliveries"):
        await found.restore()
    assert await found.ask("SELECT count(*) FROM delivery") == 0
    assert (await found.restore(allow_missing=True)).missing == 3


async def test_who_restored_and_why_is_kept(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    await found.restore()
    assert await found.ask("SELECT action || ' ' || actor || ': ' || reason FROM operator_act") == "restore tester: the store was lost"


async def test_a_lost_store_keeps_the_service_from_working_until_it_is_restored(lost: World, new_world: Callable[..., Any]) -> None:
    found: World = await new_world(lost)
    guard = found.guard
    starting = asyncio.create_task(guard.start())
    await eventually(lambda: shown(found.lost) == 1, what="the guard to show that the store is lost")
    assert not guard.report()["ok"]
    await found.restore()
    await starting
    assert (shown(found.lost), guard.report()["ok"]) == (0, True)


async def test_an_empty_store_is_not_believed_before_the_broker_has_answered(new_world: Callable[..., Any]) -> None:
    world: World = await new_world()
    world.log.away, guard = True, world.guard
    starting = asyncio.create_task(guard.start())
    await eventually(lambda: "Kafka" in guard.report()["trouble"], what="the guard to say what it waits for")
    world.log.away = False
    await starting
    assert guard.report()["ok"]


async def test_a_new_store_beside_an_empty_log_is_believed(new_world: Callable[..., Any]) -> None:
    await (await new_world()).guard.start()


async def test_a_store_in_use_is_believed_while_the_broker_is_away(lost: World) -> None:
    lost.log.away = True
    await lost.guard.start()


def shown(lamp: Gauge) -> float:
    return next(sample.value for family in lamp.collect() for sample in family.samples)


def everything(world: World) -> list[Heard]:
    """All causes of the log, in its order, as consumers read them that begin at the beginning."""
    from klaster_shared.consuming.parser import read

    told = [read(record, consumer) for consumer in world.parts.assembly.consumers for topic in consumer.topics for record in world.log.of(topic)]
    return [(incoming.message, replace(incoming.envelope)) for incoming in told if incoming.message is not None and incoming.envelope is not None]
