"""Lists as every service gives them: ordered by id, read in pages, a filter that is not given asks for any value."""

from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Integer, Select, bindparam, or_

from klaster_shared.db.statements import Statement


def is_given(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """True for every row when the parameter `name` is None, else where the column has its value."""
    given = bindparam(name, type_=column.type)
    return or_(given.is_(None), column == given)


def page(query: Select[Any], identifier: Column[UUID]) -> Statement:
    """The statement of one page: parameters `after` (the last id of the page before, or None) and `rows`."""
    after = bindparam("after", type_=identifier.type)
    return Statement(query.where(or_(after.is_(None), identifier > after)).order_by(identifier).limit(bindparam("rows", type_=Integer)))
