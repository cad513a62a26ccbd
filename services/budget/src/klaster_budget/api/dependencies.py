"""What a route may ask for: the transaction of a command, or the books for a question."""

from typing import Annotated

from fastapi import Depends, Request

from klaster_budget.application.ports import BudgetWork
from klaster_budget.application.queries import Books
from klaster_shared.web.commands import unit_of_work
from klaster_shared.web.reading import Reading

Work = Annotated[BudgetWork, Depends(unit_of_work)]


async def _books(request: Request, connection: Reading) -> Books:
    books: Books = request.app.state.books(connection)
    return books


Asked = Annotated[Books, Depends(_books, scope="function")]
"""Reads on a connection of its own, without a transaction."""
