"""A mail server that delivers nothing: every accepted mail becomes a file to look at.

The one rule: **a mail is answered with 250 only when its file is whole and in place**, as a real server would; the file appears by one rename.
Run as `python -m klaster_shared.embedded.mail --port 1025 --directory .klaster/mail`.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from klaster_shared.embedded.engine import Engine, Progress
from klaster_shared.embedded.ports import LOOPBACK, listening, require_free_port
from klaster_shared.embedded.supervision import Program

LARGEST_MAIL = 32 * 1024 * 1024


class MailFolder:
    """Writes mails as `000001.eml`, `000002.eml` … and goes on counting where an earlier run stopped."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._last = max((int(file.stem) for file in directory.glob("[0-9]*.eml")), default=0)

    def add(self, sender: str, recipients: Sequence[str], content: bytes) -> Path:
        """Stores one mail, headed by its envelope: the content alone would not tell hidden recipients."""
        self._last += 1
        envelope = f"Return-Path: <{sender}>\r\n" + "".join(f"Delivered-To: {recipient}\r\n" for recipient in recipients)
        target = self._directory / f"{self._last:06}.eml"
        partial = target.with_suffix(".part")
        partial.write_bytes(envelope.encode() + content)
        partial.rename(target)
        return target

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - the name and shape aiosmtpd calls
        content = envelope.content
        try:
            self.add(envelope.mail_from or "", envelope.rcpt_tos, content if isinstance(content, bytes) else (content or "").encode())
        except OSError:
            return "452 Requested action not taken: the mail could not be stored"
        return "250 Message accepted for delivery"


class MailServer(Engine):
    """The mail sink as a child process; its mails lie in `directory`."""

    name = "The mail sink"
    ready_within = 20.0

    def __init__(self, state: Path, port: int, *, setting: str = "KLASTER_SMTP_PORT") -> None:
        super().__init__()
        self.port = port
        self.directory = state / "mail"
        self._log = state / "logs" / "mail.log"
        self._setting = setting

    def prepare(self, progress: Progress) -> Program:  # noqa: ARG002 - nothing takes long here
        require_free_port(self.port, purpose=self.name, setting=self._setting)
        command = (sys.executable, "-m", __name__, "--port", str(self.port), "--directory", str(self.directory))
        return Program(name=self.name, command=command, log=self._log, grace=5.0)

    def ready(self) -> bool:
        return listening(self.port)


async def serve(directory: Path, port: int, host: str = LOOPBACK) -> None:
    """Accepts mails until SIGTERM or SIGINT."""
    folder = MailFolder(directory)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(
        lambda: SMTP(folder, hostname="localhost", ident="klaster", data_size_limit=LARGEST_MAIL, enable_SMTPUTF8=True, loop=loop), host, port
    )
    async with server:
        await stopped.wait()
        server.close_clients()


def main() -> None:
    parser = argparse.ArgumentParser(description="Accepts mails on the loopback interface and writes each to a file.")
    parser.add_argument("--port", type=int, default=1025)
    parser.add_argument("--directory", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.directory, arguments.port))


if __name__ == "__main__":
    main()
