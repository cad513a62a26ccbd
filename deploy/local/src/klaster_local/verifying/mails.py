"""The mails that have arrived, by Message-ID: in the folder of the local sink, or in Mailpit."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path
from typing import Final, Protocol
from urllib.error import URLError
from urllib.request import urlopen
from uuid import UUID

from klaster_local.verifying.failures import CannotLook

ANSWER_SECONDS: Final = 10.0
MOST_MAILS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """`delivery` is the id in a Message-ID of ours, None in others."""

    delivery: UUID | None
    recipients: frozenset[str]


class Mails(Protocol):
    """`shared`: others write there, too, so mails to strangers are theirs."""

    @property
    def shared(self) -> bool: ...

    def arrived(self) -> Iterator[Arrived]: ...


@dataclass(frozen=True, slots=True)
class MailFolder:
    directory: Path
    shared: bool = False

    def arrived(self) -> Iterator[Arrived]:
        """
        Raises:
            CannotLook: there is no such folder.
        """
        if not self.directory.is_dir():
            raise CannotLook(f"There is no folder of mails at {self.directory}.")
        parser = BytesHeaderParser(policy=default)
        for file in sorted(self.directory.glob("*.eml")):
            with file.open("rb") as content:
                message = parser.parse(content)
            addresses = frozenset(address.addr_spec.lower() for header in message.get_all("To", []) for address in header.addresses)
            yield Arrived(delivery=delivery_of(str(message["Message-ID"] or "")), recipients=addresses)


@dataclass(frozen=True, slots=True)
class MailpitAt:
    """`url`: where Mailpit's API is, such as http://127.0.0.1:8025."""

    url: str
    shared: bool = False

    def arrived(self) -> Iterator[Arrived]:
        """
        Raises:
            CannotLook: nobody answers there.
        """
        try:
            with urlopen(f"{self.url}/api/v1/messages?limit={MOST_MAILS}", timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - an operator's own address
                listed = json.load(answer)["messages"]
        except (URLError, TimeoutError, ValueError, KeyError) as error:
            raise CannotLook(f"Mailpit at {self.url} does not answer.") from error
        for entry in listed:
            yield Arrived(delivery=delivery_of(entry["MessageID"]), recipients=_addresses(entry))


def delivery_of(message_id: str) -> UUID | None:
    """`<delivery id@the sender's domain>`"""
    try:
        return UUID(message_id.strip().strip("<>").partition("@")[0])
    except ValueError:
        return None


def _addresses(entry: Mapping[str, list[Mapping[str, str]]]) -> frozenset[str]:
    return frozenset(address["Address"].lower() for address in entry.get("To") or ())
