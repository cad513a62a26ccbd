import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from klaster_local.verifying import CannotLook, MailFolder, MailpitAt, mails

DELIVERY = UUID("01980000-0000-7000-8000-000000000001")


def test_a_mail_in_the_folder_is_known_by_its_delivery_and_its_recipients(tmp_path: Path) -> None:
    (tmp_path / "000001.eml").write_text(f"To: Contact <Contact@Example.org>\nMessage-ID: <{DELIVERY}@klaster.example>\n\nDear reader\n")
    (arrived,) = MailFolder(tmp_path).arrived()
    assert (arrived.delivery, arrived.recipients) == (DELIVERY, frozenset({"contact@example.org"}))


@pytest.mark.parametrize("header", ["", "Message-ID: <hello@example.org>\n"])
def test_a_mail_of_somebody_else_has_no_delivery(tmp_path: Path, header: str) -> None:
    (tmp_path / "000001.eml").write_text(f"To: a@example.org\n{header}\nDear reader\n")
    (arrived,) = MailFolder(tmp_path).arrived()
    assert arrived.delivery is None


def test_a_folder_that_is_not_there_cannot_be_judged(tmp_path: Path) -> None:
    with pytest.raises(CannotLook, match="no folder of mails"):
        list(MailFolder(tmp_path / "nowhere").arrived())


def test_mailpit_says_the_same_of_a_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {"messages": [{"MessageID": f"{DELIVERY}@klaster.example", "To": [{"Name": "", "Address": "Contact@Example.org"}]}]}

    def answer(url: str, **_: Any) -> io.BytesIO:
        assert url.startswith("http://127.0.0.1:8025/api/v1/messages")
        return io.BytesIO(json.dumps(listed).encode())

    monkeypatch.setattr(mails, "urlopen", answer)
    (arrived,) = MailpitAt("http://127.0.0.1:8025").arrived()
    assert (arrived.delivery, arrived.recipients) == (DELIVERY, frozenset({"contact@example.org"}))


@pytest.mark.parametrize("content", [b"<html>", b"{}"])
def test_something_else_in_mailpits_place_cannot_be_judged(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(mails, "urlopen", lambda *_, **__: io.BytesIO(content))
    with pytest.raises(CannotLook, match="Mailpit"):
        list(MailpitAt("http://127.0.0.1:8025").arrived())
