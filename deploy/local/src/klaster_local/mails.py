"""The mails that the sink has accepted, as files."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

BODY = frozenset({"text/plain", "text/html"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """`attachments` are the content types of the parts beside the text."""

    file: Path
    received_at: datetime
    recipient: str
    subject: str
    attachments: tuple[str, ...]


def mails(directory: Path, *, to: str | None = None) -> Iterator[Mail]:
    """Oldest first; `to` is a part of the recipient's address."""
    for file in sorted(directory.glob("*.eml")):
        message = read(file)
        recipient = str(message["Delivered-To"] or message["To"] or "")
        if to is None or to.lower() in recipient.lower():
            kinds = (part.get_content_type() for part in message.walk())
            yield Mail(
                file=file,
                received_at=datetime.fromtimestamp(file.stat().st_mtime, UTC),
                recipient=recipient,
                subject=str(message["Subject"] or ""),
                attachments=tuple(kind for kind in kinds if kind not in BODY and not kind.startswith("multipart/")),
            )


def read(file: Path) -> EmailMessage:
    """Raises FileNotFoundError."""
    message = BytesParser(policy=policy.default).parsebytes(file.read_bytes())
    assert isinstance(message, EmailMessage)  # noqa: S101 - what the default policy makes
    return message


def text_of(message: EmailMessage) -> str:
    """The plain text of a mail; empty when it has none."""
    body = message.get_body(preferencelist=("plain", "html"))
    return "" if body is None else str(body.get_content())
