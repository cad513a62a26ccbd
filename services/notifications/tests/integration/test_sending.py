"""From a message heard to a mail in the sink, through PostgreSQL and SMTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
from icalendar import Calendar
from prometheus_client import CollectorRegistry

from klaster_notifications import bootstrap
from klaster_notifications.adapters.calendars import Organiser
from klaster_notifications.adapters.mails import message_id
from klaster_notifications.adapters.smtp import Security, SmtpAccess, SmtpServer
from klaster_notifications.adapters.work import NotificationsWork
from klaster_notifications.application.ports import MailServer
from klaster_notifications.domain.dispatch import LEASE
from klaster_notifications.domain.ids import DeliveryId
from klaster_notifications.metrics import NotificationsMetrics
from klaster_notifications.sending import sender as module
from klaster_notifications.sending.sender import Sender
from klaster_notifications.testing import EVENT, FakeMailServer, a_cancellation, a_confirmation, a_place_in_line, hear
from klaster_shared.contracts.bodies import Message
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.embedded.ports import free_port
from klaster_shared.origin import Origin
from klaster_shared.testing.fakes import FixedClock
from klaster_shared.testing.mail import MailSink
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("empty")]

OFFICE = Organiser(name="Klaster LifeScience Kraków", address="office@example.org")
ORIGIN = Origin(actor="test", correlation_id="flow", causation_id="command")

type NewSender = Callable[[MailServer], Sender]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(module, "_AWAY_PAUSES", (0.05, 0.1))


@pytest.fixture
def address(unique_name: Callable[[str], str]) -> str:
    """Nobody else's in the run."""
    return f"{unique_name('zin-member')}@example.org"


@pytest.fixture
async def new_sender(parts: bootstrap.Parts, clock: FixedClock) -> AsyncIterator[NewSender]:
    """Starts senders on the module's database; they end with the test."""
    made: list[Sender] = []

    def create(server: MailServer) -> Sender:
        transactions = Transactions(parts.database, partial(NotificationsWork, letters=parts.letters), clock=clock, wake=lambda: None)
        sender = Sender(transactions, server, NotificationsMetrics(CollectorRegistry(), clock), connections=2, most_attempts=5)
        made.append(sender)
        return sender

    yield create
    for sender in made:
        await sender.stop()


def smtp(host: str, port: int) -> SmtpServer:
    return SmtpServer(SmtpAccess(host=host, port=port, security=Security.NONE, own_name="klaster"), OFFICE)


async def arrive(parts: bootstrap.Parts, *messages: Message) -> None:
    for message in messages:
        async with parts.transactions.begin(ORIGIN) as work:
            await hear(work, message)


async def rows(parts: bootstrap.Parts, query: str) -> list[Any]:
    async with parts.database.connect() as connection:
        return [row[0] for row in await connection.fetch(query)]


async def all_sent(parts: bootstrap.Parts) -> bool:
    return set(await rows(parts, "SELECT status FROM delivery")) == {"sent"}


def calendar_in(mail: EmailMessage) -> Calendar:
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return Calendar.from_ical(part.get_payload(decode=True))  # type: ignore[arg-type]  # bytes, as decoded


async def test_a_confirmed_registration_becomes_one_mail_with_an_invitation(
    parts: bootstrap.Parts, new_sender: NewSender, mail_sink: MailSink, address: str
) -> None:
    await arrive(parts, a_confirmation(email=address))
    await new_sender(smtp(mail_sink.host, mail_sink.port)).start()

    await eventually(lambda: all_sent(parts))

    (mail,) = mail_sink.messages(to=address)
    (event,) = calendar_in(mail).walk("VEVENT")
    assert mail["Subject"].startswith("Potwierdzenie udziału")
    assert (calendar_in(mail)["METHOD"], event["UID"], event["SEQUENCE"]) == ("REQUEST", f"event-{EVENT}@klaster", 4)


async def test_a_cancelled_place_becomes_a_mail_that_takes_the_entry_out(
    parts: bootstrap.Parts, new_sender: NewSender, mail_sink: MailSink, address: str
) -> None:
    await arrive(parts, a_cancellation(email=address))
    await new_sender(smtp(mail_sink.host, mail_sink.port)).start()

    await eventually(lambda: all_sent(parts))

    (mail,) = mail_sink.messages(to=address)
    (event,) = calendar_in(mail).walk("VEVENT")
    assert (calendar_in(mail)["METHOD"], event["STATUS"]) == ("CANCEL", "CANCELLED")


async def test_who_waits_gets_no_calendar(parts: bootstrap.Parts, new_sender: NewSender, mail_sink: MailSink, address: str) -> None:
    await arrive(parts, a_place_in_line(email=address), a_cancellation(email=address, was="waitlisted"))
    await new_sender(smtp(mail_sink.host, mail_sink.port)).start()

    await eventually(lambda: all_sent(parts))

    mails = mail_sink.messages(to=address)
    assert len(mails) == 2
    assert not [part for mail in mails for part in mail.walk() if part.get_content_type() in {"text/calendar", "application/ics"}]


async def test_a_sent_mail_is_told_to_the_world_in_the_flow_of_its_cause(
    parts: bootstrap.Parts, new_sender: NewSender, mail_sink: MailSink, address: str
) -> None:
    await arrive(parts, a_confirmation(email=address))
    await new_sender(smtp(mail_sink.host, mail_sink.port)).start()

    await eventually(lambda: all_sent(parts))

    assert await rows(parts, "SELECT split_part(type, '.', 4) FROM outbox ORDER BY id") == ["DeliveryQueued", "DeliverySent"]
    flows = await rows(parts, "SELECT header->>1 FROM outbox, jsonb_array_elements(headers::jsonb) header WHERE header->>0 = 'ce_correlationid'")
    assert flows == ["flow", "flow"]


async def test_while_the_mail_server_is_down_mails_wait_and_then_are_sent_once(
    parts: bootstrap.Parts, new_sender: NewSender, mail_sink: MailSink, address: str
) -> None:
    await arrive(parts, a_confirmation(email=address))
    down = new_sender(smtp("127.0.0.1", free_port()))
    await down.start()
    await eventually(lambda: down.report()["trouble"] == "unreachable")
    await arrive(parts, a_place_in_line(email=address))  # nobody who listens to Kafka waits for SMTP
    await down.stop()

    await new_sender(smtp(mail_sink.host, mail_sink.port)).start()
    await eventually(lambda: all_sent(parts))

    assert len(mail_sink.messages(to=address)) == 2
    assert await rows(parts, "SELECT attempts FROM dispatch") == [1, 1]


async def test_after_a_crash_between_the_answer_and_the_commit_the_same_mail_goes_out_again(
    parts: bootstrap.Parts, clock: FixedClock, new_sender: NewSender, mail_sink: MailSink, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window that is documented: at least once, and every copy with one Message-ID."""
    await arrive(parts, a_confirmation(email=address))
    crashing = new_sender(smtp(mail_sink.host, mail_sink.port))
    with monkeypatch.context() as crash:
        crash.setattr("klaster_notifications.sending.batch.settle_delivery", the_process_ends_here)
        await crashing.start()
        await eventually(lambda: mail_sink.messages(to=address))
        await eventually(lambda: not crashing.report()["ok"])
    assert await rows(parts, "SELECT status FROM delivery") == ["queued"]

    clock.advance(LEASE + timedelta(seconds=1))
    await new_sender(smtp(mail_sink.host, mail_sink.port)).start()
    await eventually(lambda: all_sent(parts))

    first, second = mail_sink.messages(to=address)
    (delivery,) = await rows(parts, "SELECT id FROM delivery")
    assert first["Message-ID"] == second["Message-ID"] == message_id(DeliveryId(delivery), OFFICE)
    assert first.as_bytes() == second.as_bytes()
    assert await rows(parts, "SELECT split_part(type, '.', 4) FROM outbox ORDER BY id") == ["DeliveryQueued", "DeliverySent"]


async def the_process_ends_here(*_: object) -> None:
    raise SystemError


async def test_several_senders_send_each_mail_once(parts: bootstrap.Parts, new_sender: NewSender, unique_name: Callable[[str], str]) -> None:
    await arrive(parts, *[a_confirmation(email=f"{unique_name('zin-member')}@example.org") for _ in range(60)])
    servers = [FakeMailServer() for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(new_sender(server).start())

    await eventually(lambda: all_sent(parts), within=30)

    sent = [mail.delivery for server in servers for mail in server.accepted]
    assert (len(sent), len(set(sent))) == (60, 60)
    assert set(await rows(parts, "SELECT attempts FROM dispatch")) == {1}


async def test_a_mail_locked_by_another_sender_is_passed_over(parts: bootstrap.Parts) -> None:
    await arrive(parts, a_confirmation(), a_confirmation())
    async with parts.transactions.begin(ORIGIN) as one, parts.transactions.begin(ORIGIN) as other:
        (first,) = await one.dispatches.lock_due(one.now, 1)
        (second,) = await other.dispatches.lock_due(other.now, 10)

    assert first != second
