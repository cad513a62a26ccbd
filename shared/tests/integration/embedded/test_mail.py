import smtplib
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from klaster_shared.embedded.errors import PortTaken
from klaster_shared.embedded.mail import MailServer
from klaster_shared.embedded.ports import free_port

pytestmark = pytest.mark.embedded


@pytest.fixture
def server(engine_directory: Path) -> Iterator[MailServer]:
    with MailServer(engine_directory, free_port()) as server:
        yield server


def send(server: MailServer, subject: str, **headers: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "office@example.org", "member@example.org", subject
    for name, value in headers.items():
        mail[name] = value
    mail.set_content("Zażółć gęślą jaźń")
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.send_message(mail)


def stored(server: MailServer) -> list[EmailMessage]:
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in sorted(server.directory.glob("*.eml"))]


def test_an_accepted_mail_is_a_file_as_soon_as_the_sender_is_told(server: MailServer) -> None:
    send(server, "Zaproszenie na warsztat")
    (mail,) = stored(server)
    assert mail["Subject"] == "Zaproszenie na warsztat"
    assert mail.get_content().strip() == "Zażółć gęślą jaźń"


def test_a_hidden_recipient_shows_in_the_file(server: MailServer) -> None:
    send(server, "hidden", Bcc="hidden@example.org")
    (mail,) = stored(server)
    assert "hidden@example.org" in mail.get_all("Delivered-To", [])


def test_a_restarted_sink_keeps_earlier_mails(server: MailServer) -> None:
    send(server, "first")
    server.kill()
    server.start()
    send(server, "second")
    assert [mail["Subject"] for mail in stored(server)] == ["first", "second"]


def test_the_sink_stops_properly(server: MailServer) -> None:
    assert server.stop() is True


def test_the_sink_stops_while_a_client_stays_connected(server: MailServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        assert client.recv(3) == b"220"
        assert server.stop() is True


def test_a_taken_port_is_told_in_one_line(engine_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^Port {port} is taken; The mail sink needs it.*KLASTER_SMTP_PORT"):
            MailServer(engine_directory, port).start()
