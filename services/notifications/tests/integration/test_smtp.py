"""What each answer of a mail server means, asked of a server that says whatever it is told."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from klaster_notifications.adapters.calendars import Organiser
from klaster_notifications.adapters.smtp import Security, SmtpAccess, SmtpServer
from klaster_notifications.application.ports import MailServerAway
from klaster_notifications.domain.dispatch import ACCEPTED, Answer, Verdict
from klaster_notifications.domain.ids import CauseId, DeliveryId
from klaster_notifications.domain.letters import OutgoingMail
from klaster_notifications.testing import NOON, a_letter, a_recipient
from klaster_shared.embedded.ports import free_port
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines

OFFICE = Organiser(name="Klaster LifeScience Kraków", address="office@example.org")
HANG_UP = "hang up"


class Script:
    """A mail server's answers by command; `DATA` answers the end of the mail. What is not scripted is accepted."""

    def __init__(self, **answers: str) -> None:
        self._answers = answers
        self.mails: list[bytes] = []
        self.mailboxes: list[str] = []
        self.sessions = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        say = self._answers.get("greeting", "220 ready")
        while say != HANG_UP:
            writer.write(say.encode() + b"\r\n")
            await writer.drain()
            line = await reader.readline()
            if not line:
                break
            say = await self._answer(line, reader, writer)
            if line.upper().startswith(b"QUIT"):
                writer.write(b"221 bye\r\n")
                break
        writer.close()

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        command = line[:4].decode().upper()
        if command == "EHLO":
            return self._answers.get("EHLO", "250-test\r\n250-SIZE 1000000\r\n250 8BITMIME")
        if command in {"MAIL", "RCPT"}:
            self.mailboxes += re.findall("<.*>", line.decode())
        if command == "DATA":
            writer.write(b"354 go on\r\n")
            self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
        return self._answers.get(command, "250 fine")


@asynccontextmanager
async def served(script: Script, security: Security = Security.NONE) -> AsyncIterator[SmtpServer]:
    server = await asyncio.start_server(script.talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield SmtpServer(SmtpAccess(host="127.0.0.1", port=port, security=security, own_name="klaster"), OFFICE)


def a_mail(address: str = "zin-member-01@example.org") -> OutgoingMail:
    return OutgoingMail(
        delivery=DeliveryId(new_id()), cause=CauseId(new_id()), flow="flow", recipient=a_recipient(address), letter=a_letter(), queued_at=NOON
    )


async def answered(script: Script) -> tuple[Answer, bool]:
    """The answer, and whether the line is still open after it."""
    async with served(script) as server, server.connect() as line:
        return await line.send(a_mail()), line.is_open


async def refused(script: Script) -> str:
    with pytest.raises(MailServerAway) as refusal:
        await answered(script)
    return refusal.value.failure


async def test_a_250_is_an_acceptance() -> None:
    assert await answered(Script()) == (ACCEPTED, True)


@pytest.mark.parametrize(
    ("step", "answer", "verdict"),
    [
        ("RCPT", "450 mailbox busy", Verdict.DEFERRED),
        ("RCPT", "451 greylisted", Verdict.DEFERRED),
        ("RCPT", "550 no such user", Verdict.REFUSED),
        ("RCPT", "553 mailbox name not allowed", Verdict.REFUSED),
        ("DATA", "452 out of storage", Verdict.DEFERRED),
        ("DATA", "554 looks like spam", Verdict.REFUSED),
        ("MAIL", "552 too large", Verdict.REFUSED),
    ],
)
async def test_what_is_said_of_the_mail_counts_for_the_mail(step: str, answer: str, verdict: Verdict) -> None:
    assert await answered(Script(**{step: answer})) == (Answer(verdict, f"smtp-{answer[:3]}"), True)


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (Script(greeting="554 no service here"), "smtp-554"),
        (Script(greeting="421 come back later"), "smtp-421"),
        (Script(greeting=HANG_UP), "unreachable"),
        (Script(MAIL="550 who are you"), "sender-refused-550"),
        (Script(MAIL="451 not now"), "sender-refused-451"),
        (Script(MAIL="530 authentication required"), "sender-refused-530"),
        (Script(RCPT="530 authentication required"), "login-needed"),
    ],
)
async def test_what_is_said_of_us_counts_for_no_mail(script: Script, failure: str) -> None:
    assert await refused(script) == failure


async def test_a_server_that_is_not_there_is_away() -> None:
    server = SmtpServer(SmtpAccess(host="127.0.0.1", port=free_port(), security=Security.NONE, own_name="klaster"), OFFICE)

    with pytest.raises(MailServerAway) as refusal:
        async with server.connect():
            raise AssertionError("there is nothing to connect to")

    assert refusal.value.failure == "unreachable"


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
async def test_a_hang_up_in_the_dialogue_defers_the_mail_and_closes_the_line(step: str) -> None:
    assert await answered(Script(**{step: HANG_UP})) == (Answer(Verdict.DEFERRED, "disconnected"), False)


async def test_a_421_in_the_dialogue_defers_the_mail_and_closes_the_line() -> None:
    assert await answered(Script(RCPT="421 shutting down")) == (Answer(Verdict.DEFERRED, "smtp-421"), False)


async def test_a_server_that_falls_silent_defers_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klaster_notifications.adapters.smtp.STEP_SECONDS", 0.2)

    class Silent(Script):
        async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
            if line.startswith(b"DATA"):
                await reader.read()
            return await super()._answer(line, reader, writer)

    assert await answered(Silent()) == (Answer(Verdict.DEFERRED, "timeout"), False)


async def test_after_a_refusal_the_same_line_takes_the_next_mail() -> None:
    script = Script(RCPT="550 no such user")
    async with served(script) as server, server.connect() as line:
        await line.send(a_mail())
        script._answers.clear()

        assert await line.send(a_mail()) == ACCEPTED
    assert script.sessions == 1


async def test_a_server_without_starttls_is_away_when_it_is_required() -> None:
    async with served(Script(), Security.STARTTLS) as server:
        with pytest.raises(MailServerAway):
            async with server.connect():
                raise AssertionError("nothing may be sent in the clear")


async def test_envelope_and_headers_name_the_same_two_mailboxes() -> None:
    script = Script()
    async with served(script) as server, server.connect() as line:
        await line.send(a_mail("o'neill+events@bücher.example"))

    (mail,) = script.mails
    assert script.mailboxes == ["<office@example.org>", "<o'neill+events@xn--bcher-kva.example>"]
    assert b"<office@example.org>" in mail
    assert b"To: ZIN member 01 <o'neill+events@xn--bcher-kva.example>" in mail
