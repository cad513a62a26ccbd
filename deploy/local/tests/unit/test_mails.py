from email.message import EmailMessage
from pathlib import Path

import pytest

from klaster_local.mails import mails, read, text_of


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    for number, (to, calendar) in enumerate([("a@example.org", False), ("b@example.org", True)], start=1):
        message = EmailMessage()
        message["To"], message["Subject"] = to, f"Potwierdzenie {number}"
        message.set_content("Dzień dobry")
        if calendar:
            message.add_attachment("BEGIN:VCALENDAR", subtype="calendar")
        (tmp_path / f"{number:06}.eml").write_bytes(b"Delivered-To: " + to.encode() + b"\r\n" + message.as_bytes())
    return tmp_path


def test_mails_are_listed_oldest_first_with_what_is_attached(sink: Path) -> None:
    assert [(each.recipient, each.subject, each.attachments) for each in mails(sink)] == [
        ("a@example.org", "Potwierdzenie 1", ()),
        ("b@example.org", "Potwierdzenie 2", ("text/calendar",)),
    ]


def test_mails_are_chosen_by_a_part_of_the_address(sink: Path) -> None:
    assert [each.recipient for each in mails(sink, to="B@")] == ["b@example.org"]


def test_an_empty_folder_has_no_mails(tmp_path: Path) -> None:
    assert list(mails(tmp_path)) == []


def test_the_text_of_a_mail_is_read(sink: Path) -> None:
    assert text_of(read(sink / "000002.eml")).strip() == "Dzień dobry"
