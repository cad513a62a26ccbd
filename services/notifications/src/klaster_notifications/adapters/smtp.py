"""The mail server, spoken to in SMTP (RFC 5321).

The one rule: only what was said about a mail counts against that mail. Connecting, TLS, logging in and the sender's own address
are between the server and us: their failure is `MailServerAway`, and every mail waits.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import aiosmtplib

from klaster_notifications.adapters.calendars import Organiser
from klaster_notifications.adapters.mails import compose
from klaster_notifications.application.ports import MailServerAway
from klaster_notifications.domain.delivery import INVALID_ADDRESS
from klaster_notifications.domain.dispatch import ACCEPTED, Answer, Verdict
from klaster_notifications.domain.letters import OutgoingMail
from klaster_notifications.domain.recipients import mailbox

STEP_SECONDS: Final = 10.0
"""The limit of one step of the dialogue. RFC 5321 section 4.5.3.2 allows servers minutes; a submission server next door needs none."""

_PERMANENT: Final = 500
_CLOSING: Final = 421  # RFC 5321 section 4.2.3: the server closes the channel
_TOO_LARGE: Final = 552  # RFC 1870: the mail's declared size, not its sender, was refused
_LOGIN_NEEDED: Final = 530  # RFC 4954 section 6: about the session, whatever the command


class Security(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpAccess:
    """`own_name` is how we greet the server (EHLO)."""

    host: str
    port: int
    security: Security
    own_name: str
    username: str | None = None
    password: str | None = None


class SmtpServer:
    """The port `application.ports.MailServer`."""

    def __init__(self, access: SmtpAccess, sender: Organiser) -> None:
        self._access = access
        self._sender = sender
        self._tls = None if access.security is Security.NONE else ssl.create_default_context()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["SmtpLine"]:
        access = self._access
        client = aiosmtplib.SMTP(
            hostname=access.host,
            port=access.port,
            username=access.username,
            password=access.password,
            local_hostname=access.own_name,
            timeout=STEP_SECONDS,
            use_tls=access.security is Security.TLS,
            start_tls=access.security is Security.STARTTLS,
            tls_context=self._tls,
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise MailServerAway(_named(error)) from None
        try:
            yield SmtpLine(client, self._sender)
        finally:
            await _hang_up(client)


class SmtpLine:
    """The port `application.ports.MailLine`."""

    def __init__(self, client: aiosmtplib.SMTP, sender: Organiser) -> None:
        self._client = client
        self._sender = sender

    @property
    def is_open(self) -> bool:
        return self._client.is_connected

    async def send(self, mail: OutgoingMail) -> Answer:
        address = mailbox(mail.recipient.address)
        if address is None:
            return Answer(Verdict.REFUSED, INVALID_ADDRESS)
        message = compose(mail, address, self._sender)
        try:
            await self._client.send_message(message, sender=self._sender.address, recipients=[address])
        except aiosmtplib.SMTPRecipientsRefused as error:
            return self._answered(error.recipients[0])
        except aiosmtplib.SMTPSenderRefused as error:
            if error.code != _TOO_LARGE:
                raise MailServerAway(f"sender-refused-{error.code}") from None
            return self._answered(error)
        except aiosmtplib.SMTPResponseException as error:
            return self._answered(error)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            return Answer(Verdict.DEFERRED, _named(error))
        return ACCEPTED

    def _answered(self, error: aiosmtplib.SMTPResponseException) -> Answer:
        if error.code == _LOGIN_NEEDED:
            raise MailServerAway("login-needed")
        if error.code == _CLOSING:
            self._client.close()
        verdict = Verdict.REFUSED if error.code >= _PERMANENT else Verdict.DEFERRED
        return Answer(verdict, f"smtp-{error.code}")


async def _hang_up(client: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        if client.is_connected:
            await client.quit()
    client.close()


def _named(error: Exception) -> str:
    """A word for what went wrong with the connection."""
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return "login-refused"
        case _ if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            return "tls"
        case TimeoutError():
            return "timeout"
        case aiosmtplib.SMTPServerDisconnected():
            return "disconnected"
        case aiosmtplib.SMTPResponseException(code=code):
            return f"smtp-{code}"
        case aiosmtplib.SMTPConnectError() | OSError():
            return "unreachable"
        case _:
            return "protocol"
