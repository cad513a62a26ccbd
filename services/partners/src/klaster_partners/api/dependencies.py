"""What a route may ask for: the transaction of a command, the directory for a question, and the day."""

from datetime import date
from typing import Annotated

from fastapi import Depends, Request

from klaster_partners.application.ports import PartnersWork
from klaster_partners.application.queries import Directory
from klaster_shared.clock import day_in_warsaw
from klaster_shared.web.commands import unit_of_work
from klaster_shared.web.reading import Reading

Work = Annotated[PartnersWork, Depends(unit_of_work)]


async def _directory(request: Request, connection: Reading) -> Directory:
    directory: Directory = request.app.state.directory(connection)
    return directory


Asked = Annotated[Directory, Depends(_directory, scope="function")]
"""Reads on a connection of its own, without a transaction."""


async def _today(request: Request) -> date:
    return day_in_warsaw(request.app.state.transactions.clock.now())


Today = Annotated[date, Depends(_today)]
"""In Europe/Warsaw."""
