"""What a Core statement becomes: its text, its parameters, and what it refuses before PostgreSQL could change a value silently."""

from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Identity, MetaData, Numeric, String, Table, Text, bindparam, select

from klaster_shared.db.statements import Statement, insert_of, insert_rows

THINGS = Table(
    "things",
    MetaData(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text),
    Column("amount", Numeric),
    Column("price", Numeric(18, 2)),
    Column("code", String(5)),
)


class Connection:
    """Keeps what it was asked to run."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def execute(self, sql: str, *arguments: Any) -> str:
        self.asked.append((sql, *arguments))
        return "UPDATE 3"


async def test_parameters_go_by_name_and_the_number_of_rows_comes_back() -> None:
    connection = Connection()
    rename = Statement(THINGS.update().where(THINGS.c.id == bindparam("key", type_=BigInteger)).values(name=bindparam("new", type_=Text)))
    assert await rename.execute(connection, key=7, new="x") == 3
    assert connection.asked[0][1:] == ("x", 7)


async def test_none_is_a_value_like_any_other() -> None:
    connection = Connection()
    rename = Statement(THINGS.update().where(THINGS.c.id == 7).values(name=bindparam("new", type_=Text)))
    await rename.execute(connection, new=None)
    assert connection.asked[0][1:] == (None, 7)


async def test_none_written_into_the_statement_is_not_asked_for() -> None:
    connection = Connection()
    await Statement(THINGS.update().where(THINGS.c.id == bindparam("key", type_=BigInteger)).values(name=None)).execute(connection, key=7)
    assert connection.asked[0][1:] == (None, 7)


async def test_a_list_written_into_the_statement_is_part_of_it() -> None:
    connection = Connection()
    await Statement(THINGS.delete().where(THINGS.c.id.in_([1, 2]))).execute(connection)
    assert connection.asked[0][1:] == (1, 2)


@pytest.mark.parametrize("given", [{}, {"key": 7}, {"key": 7, "new": "x", "more": 1}])
async def test_a_missing_or_an_unknown_parameter_is_an_error(given: dict[str, Any]) -> None:
    rename = Statement(THINGS.update().where(THINGS.c.id == bindparam("key", type_=BigInteger)).values(name=bindparam("new", type_=Text)))
    with pytest.raises(TypeError, match="statement parameters differ"):
        await rename.execute(Connection(), **given)


@pytest.mark.parametrize(
    "lossy",
    [
        lambda: insert_of(THINGS, "id", "code", "amount", "name"),
        lambda: insert_rows(THINGS, "price"),
        lambda: insert_rows(THINGS, "code"),
        lambda: select(THINGS.c.id).where(THINGS.c.price > bindparam("least", type_=THINGS.c.price.type)),
    ],
    ids=["inserted", "in an array", "text in an array", "compared"],
)
def test_a_cast_that_would_round_or_cut_is_refused_when_it_is_compiled(lossy: Any) -> None:
    with pytest.raises(TypeError, match="changes values silently"):
        Statement(lossy())


def test_numbers_and_texts_of_any_size_are_fine() -> None:
    assert Statement(insert_rows(THINGS, "name", "amount")).names == ("name", "amount")
    assert Statement(insert_of(THINGS, "id", "price")).names == ("name", "amount", "code")
