"""A mail server with moods: what lies between "accepted" and "never came" in the world of SMTP.

The one rule: a mail is in the folder exactly when it was stored before the answer, also when the answer never reached the sender: so copies
can be counted, and blamed on the mood that caused them.
"""

import asyncio
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP

from klaster_shared.embedded.mail import MailFolder
from klaster_shared.embedded.ports import LOOPBACK, free_port


class Mood(StrEnum):
    FINE = "fine"
    SLOW = "slow"
    DEFERRING = "451"
    DROPPING = "accepts, then drops"
    """The mail is stored and the connection ends before the answer: the documented window, as wide as it gets."""
    HANGING_UP = "hangs up"


class ChaosMail:
    """Listens while its context lasts; `down` and `up` in between. `met` counts what each mood was met with."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.mood = Mood.FINE
        self.met = dict.fromkeys(Mood, 0)
        self.slowness = 1.0
        self._folder = MailFolder(directory)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.down()

    async def up(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="localhost", ident="chaos", enable_SMTPUTF8=True, loop=loop), LOOPBACK, self.port
        )

    async def down(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            server.close_clients()
            with suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 1)

    async def restore(self) -> None:
        """There, and in its best mood."""
        self.mood = Mood.FINE
        if self._server is None:
            await self.up()

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802, ARG002 - aiosmtpd's name and shape
        if self.mood is Mood.HANGING_UP:
            self.met[self.mood] += 1
            server.transport.abort()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802, ARG002 - same
        mood = self.mood
        self.met[mood] += 1
        if mood is Mood.DEFERRING:
            return "451 Requested action aborted: try again"
        if mood is Mood.SLOW:
            await asyncio.sleep(self.slowness)
        self._folder.add(envelope.mail_from or "", envelope.rcpt_tos, envelope.content)
        if mood is Mood.DROPPING:
            server.transport.abort()
        return "250 Message accepted for delivery"
