import asyncio
from email import message_from_bytes
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from klaster_shared.embedded.mail import MailFolder

CONTENT = b"Subject: hello\r\n\r\ntext\r\n"


def test_mails_are_numbered_in_order_of_arrival(tmp_path: Path) -> None:
    folder = MailFolder(tmp_path)
    assert [folder.add("a@example.org", ["b@example.org"], CONTENT).name for _ in range(2)] == ["000001.eml", "000002.eml"]


def test_numbering_goes_on_where_an_earlier_run_stopped(tmp_path: Path) -> None:
    MailFolder(tmp_path).add("a@example.org", ["b@example.org"], CONTENT)
    assert MailFolder(tmp_path).add("a@example.org", ["b@example.org"], CONTENT).name == "000002.eml"


def test_a_stored_mail_keeps_its_content(tmp_path: Path) -> None:
    stored = MailFolder(tmp_path).add("a@example.org", ["b@example.org"], CONTENT)
    assert stored.read_bytes().endswith(CONTENT)


def test_a_stored_mail_tells_its_envelope(tmp_path: Path) -> None:
    stored = message_from_bytes(MailFolder(tmp_path).add("a@example.org", ["b@example.org", "c@example.org"], CONTENT).read_bytes())
    assert stored["Return-Path"] == "<a@example.org>"
    assert stored.get_all("Delivered-To") == ["b@example.org", "c@example.org"]


def test_nothing_but_whole_mails_is_left_in_the_folder(tmp_path: Path) -> None:
    MailFolder(tmp_path).add("a@example.org", ["b@example.org"], CONTENT)
    assert [file.name for file in tmp_path.iterdir()] == ["000001.eml"]


@pytest.fixture
def envelope() -> Envelope:
    envelope = Envelope()
    envelope.mail_from = "a@example.org"
    envelope.rcpt_tos = ["b@example.org"]
    envelope.content = CONTENT
    return envelope


async def test_a_mail_is_accepted_when_its_file_is_in_place(tmp_path: Path, envelope: Envelope) -> None:
    answer = await MailFolder(tmp_path).handle_DATA(create_autospec(SMTP), Session(asyncio.get_running_loop()), envelope)
    assert answer.startswith("250")
    assert (tmp_path / "000001.eml").exists()


async def test_a_mail_that_cannot_be_stored_is_refused_for_now(tmp_path: Path, envelope: Envelope) -> None:
    folder = MailFolder(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    answer = await folder.handle_DATA(create_autospec(SMTP), Session(asyncio.get_running_loop()), envelope)
    assert answer.startswith("452")
