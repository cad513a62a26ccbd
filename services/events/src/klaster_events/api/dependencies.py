"""What a route may ask for: the transaction of a command, the agenda for a question, and the office's patience with budget."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from klaster_events.application.ports import EventsWork
from klaster_events.application.queries import Agenda
from klaster_shared.web.commands import unit_of_work
from klaster_shared.web.reading import Reading

Work = Annotated[EventsWork, Depends(unit_of_work)]


async def _agenda(request: Request, connection: Reading) -> Agenda:
    agenda: Agenda = request.app.state.agenda(connection)
    return agenda


Asked = Annotated[Agenda, Depends(_agenda, scope="function")]
"""Reads on a connection of its own, without a transaction."""


async def _answer_within(request: Request) -> timedelta:
    answer_within: timedelta = request.app.state.answer_within
    return answer_within


AnswerWithin = Annotated[timedelta, Depends(_answer_within)]
"""How long budget may take to answer an approval."""
