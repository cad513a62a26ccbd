"""What a suite sees of a mail sink, whichever kind runs."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Protocol
from urllib.request import urlopen

MOST_MAILS = 100_000


class MailSink(Protocol):
    """Where to send mail, and what has arrived."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def messages(self, *, to: str | None = None) -> list[EmailMessage]:
        """All mails in order of arrival, or only those that name the address `to` as a recipient.

        One sink serves the whole run: a test asks for addresses of its own. Mails to others are passed over unparsed, because there may be thousands.
        """


@dataclass(frozen=True, slots=True)
class MailFiles:
    """The embedded sink: a folder of files."""

    host: str
    port: int
    directory: Path

    def messages(self, *, to: str | None = None) -> list[EmailMessage]:
        contents = (file.read_bytes() for file in sorted(self.directory.glob("*.eml")))
        return _addressed((_parsed(content) for content in contents if to is None or to.encode() in content), to)


@dataclass(frozen=True, slots=True)
class Mailpit:
    """The sink of the container tier; `api` is its HTTP port."""

    host: str
    port: int
    api: int

    def messages(self, *, to: str | None = None) -> list[EmailMessage]:
        newest_first = json.loads(self._get(f"messages?limit={MOST_MAILS}"))["messages"]
        wanted = (entry["ID"] for entry in reversed(newest_first) if to is None or to in _listed_recipients(entry))
        return _addressed((_parsed(self._get(f"message/{message_id}/raw")) for message_id in wanted), to)

    def _get(self, path: str) -> bytes:
        with urlopen(f"http://{self.host}:{self.api}/api/v1/{path}", timeout=10) as answer:
            content: bytes = answer.read()
            return content


def _listed_recipients(entry: dict[str, Any]) -> set[str]:
    return {address["Address"] for name in ("To", "Cc", "Bcc") for address in entry[name] or ()}


def _parsed(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


def _addressed(messages: Iterable[EmailMessage], to: str | None) -> list[EmailMessage]:
    return [message for message in messages if to is None or to in recipients(message)]


def recipients(message: EmailMessage) -> set[str]:
    """The bare addresses in To, Cc and Bcc."""
    return {address.addr_spec for name in ("To", "Cc", "Bcc") for header in message.get_all(name, []) for address in header.addresses}
