"""Whatever is sent, the answer is a problem document that names what is wrong, and nothing is written."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response

from klaster_budget.bootstrap import Parts
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines

type Count = Callable[[], Awaitable[int]]


def pln(amount: Any) -> dict[str, Any]:
    return {"amount": amount, "currency": "PLN"}


LINE: dict[str, Any] = {"code": "A", "name": "Line", "category": "travel", "planned": pln("100.00")}
GRANT: dict[str, Any] = {
    "code": "G",
    "name": "Grant",
    "funder": "Funder",
    "total": pln("1000.00"),
    "starts_on": "2011-04-01",
    "ends_on": "2012-12-31",
    "lines": [LINE],
}
RATE: dict[str, Any] = {"currency": "EUR", "value": "4.25", "source": "NBP", "date": "2011-09-12"}
DOCUMENT: dict[str, Any] = {"number": "FV/1/2011", "issued_on": "2011-09-12", "issuer": "Hotel"}
EXPENDITURE: dict[str, Any] = {"line_code": "A", "document": DOCUMENT, "amount": pln("10.00")}


@pytest.fixture(autouse=True)
async def empty(parts: Parts) -> None:
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE grant_agreement, commitment, rate, outbox, idempotency_key CASCADE")


@pytest.fixture
async def written(parts: Parts) -> Count:
    """Counts what is stored and what is to be published."""

    async def count() -> int:
        async with parts.database.connect() as connection:
            tables = ("grant_agreement", "rate", "expenditure", "outbox")
            return sum([await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables])  # noqa: S608 - constants

    return count


@pytest.fixture
async def grant(client: AsyncClient) -> str:
    return str((await client.post("/v1/grants", json=GRANT)).json()["id"])


def problem(answer: Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, str(answer.json()["type"]).removeprefix("/problems/")


def fields(answer: Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


BAD_MONEY = [
    pytest.param(100, "", id="a number for money"),
    pytest.param("100.00 PLN", "", id="text for money"),
    pytest.param(pln(100), ".amount", id="a number for an amount"),
    pytest.param(pln(100.5), ".amount", id="a float for an amount"),
    pytest.param(pln(None), ".amount", id="null for an amount"),
    pytest.param(pln("NaN"), ".amount", id="NaN"),
    pytest.param(pln("Infinity"), ".amount", id="infinity"),
    pytest.param(pln("1e3"), ".amount", id="an exponent"),
    pytest.param(pln("1 000.00"), ".amount", id="a separator"),
    pytest.param(pln("1,50"), ".amount", id="a comma"),
    pytest.param(pln("1.005"), ".amount", id="a third decimal place"),
    pytest.param(pln("9" * 30), ".amount", id="thirty digits"),
    pytest.param(pln("99999999999999.00"), ".amount", id="sixteen digits with the minor ones"),
    pytest.param(pln("\u0663"), ".amount", id="digits of another script"),
    pytest.param({"amount": "1.00"}, ".currency", id="no currency"),
    pytest.param({"amount": "1.00", "currency": "pln"}, ".currency", id="a currency in small letters"),
    pytest.param({"amount": "1.00", "currency": "QQQ"}, ".currency", id="an unknown currency"),
    pytest.param({"amount": "1.00", "currency": 985}, ".currency", id="a numeric currency"),
    pytest.param({"amount": "1.0", "currency": "JPY"}, ".amount", id="minor units where there are none"),
    pytest.param(pln("1.00") | {"unit": "k"}, ".unit", id="an unknown member"),
]


@pytest.mark.parametrize(("money", "member"), BAD_MONEY)
async def test_money_is_taken_only_as_it_is_promised(client: AsyncClient, written: Count, money: Any, member: str) -> None:
    total = await client.post("/v1/grants", json=GRANT | {"total": money})
    planned = await client.post("/v1/grants", json=GRANT | {"lines": [LINE | {"planned": money}]})
    amount = await client.post("/v1/expenditures", json=EXPENDITURE | {"grant_id": str(new_id()), "amount": money})

    assert [problem(answer) for answer in (total, planned, amount)] == [(422, "invalid-input")] * 3
    assert [fields(answer) for answer in (total, planned, amount)] == [[f"total{member}"], [f"lines.0.planned{member}"], [f"amount{member}"]]
    assert await written() == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        pytest.param({"code": ""}, "code", id="empty code"),
        pytest.param({"code": "x" * 65}, "code", id="long code"),
        pytest.param({"code": 82}, "code", id="a number for a code"),
        pytest.param({"name": "Gr\x00ant"}, "name", id="NUL"),
        pytest.param({"funder": None}, "funder", id="null for text"),
        pytest.param({"total": pln("0.00")}, "total", id="a total of nothing"),
        pytest.param({"total": pln("-1.00")}, "total", id="a negative total"),
        pytest.param({"total": {"amount": "1000.00", "currency": "EUR"}}, "lines.0.planned", id="lines in another currency"),
        pytest.param({"starts_on": "2011-02-30"}, "starts_on", id="no such day"),
        pytest.param({"starts_on": 20110401}, "starts_on", id="a number for a day"),
        pytest.param({"ends_on": "2011-03-31"}, "ends_on", id="an end before the start"),
        pytest.param({"lines": []}, "lines", id="no lines"),
        pytest.param({"lines": {"code": "A"}}, "lines", id="an object for a list"),
        pytest.param({"lines": [LINE | {"code": str(number)} for number in range(501)]}, "lines", id="501 lines"),
        pytest.param({"lines": [LINE, LINE]}, "lines.1.code", id="a code twice"),
        pytest.param({"lines": [LINE | {"planned": pln("1000.01")}]}, "lines", id="more than the total"),
        pytest.param({"lines": [LINE | {"planned": pln("-0.01")}]}, "lines.0.planned", id="a negative plan"),
        pytest.param({"lines": [LINE | {"category": ""}]}, "lines.0.category", id="empty category"),
        pytest.param({"lines": [LINE | {"committed": pln("1.00")}]}, "lines.0.committed", id="a balance"),
        pytest.param({"balance": "1"}, "balance", id="unknown field"),
    ],
)
async def test_a_grant_that_cannot_be_used_names_the_field(client: AsyncClient, written: Count, given: dict[str, Any], field: str) -> None:
    answer = await client.post("/v1/grants", json=GRANT | given)

    assert (problem(answer), fields(answer)) == ((422, "invalid-input"), [field])
    assert await written() == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        pytest.param({"currency": "QQQ"}, "currency", id="unknown currency"),
        pytest.param({"currency": "EURO"}, "currency", id="four letters"),
        pytest.param({"value": 4.25}, "value", id="a number"),
        pytest.param({"value": "0"}, "value", id="zero"),
        pytest.param({"value": "0.00000000"}, "value", id="zero with all places"),
        pytest.param({"value": "-4.25"}, "value", id="negative"),
        pytest.param({"value": "4.123456789"}, "value", id="nine places"),
        pytest.param({"value": "NaN"}, "value", id="NaN"),
        pytest.param({"value": "9" * 16}, "value", id="sixteen digits"),
        pytest.param({"date": "2011-09-12T00:00:00Z"}, "date", id="an instant for a day"),
        pytest.param({"date": "yesterday"}, "date", id="a word for a day"),
        pytest.param({"source": "  "}, "source", id="blank source"),
    ],
)
async def test_a_rate_that_cannot_be_used_names_the_field(client: AsyncClient, written: Count, given: dict[str, Any], field: str) -> None:
    answer = await client.post("/v1/rates", json=RATE | given)

    assert (problem(answer), fields(answer)) == ((422, "invalid-input"), [field])
    assert await written() == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        pytest.param({"grant_id": "MRPO-8.2"}, "grant_id", id="a code for an id"),
        pytest.param({"line_code": None}, "line_code", id="no line"),
        pytest.param({"event_id": "1"}, "event_id", id="an event id that is none"),
        pytest.param({"amount": pln("0.00")}, "amount", id="nothing"),
        pytest.param({"amount": pln("-10.00")}, "amount", id="a credit note"),
        pytest.param({"document": DOCUMENT | {"number": " "}}, "document.number", id="blank number"),
        pytest.param({"document": DOCUMENT | {"number": "x" * 201}}, "document.number", id="long number"),
        pytest.param({"document": DOCUMENT | {"issuer": "\u200b"}}, "document.issuer", id="an issuer nobody sees"),
        pytest.param({"document": DOCUMENT | {"issuer": "\ufdfa" * 200}}, "document.issuer", id="an issuer that folds into thousands of letters"),
        pytest.param({"document": DOCUMENT | {"issuer_nip": "1234563219"}}, "document.issuer_nip", id="wrong check digit"),
        pytest.param({"document": DOCUMENT | {"issuer_nip": 1234563218}}, "document.issuer_nip", id="a number for a NIP"),
        pytest.param({"document": DOCUMENT | {"issued_on": "12.09.2011"}}, "document.issued_on", id="a day in another form"),
        pytest.param({"document": "FV/1/2011"}, "document", id="text for a document"),
        pytest.param({"rate": {"value": "4", "source": "NBP", "date": "2011-09-12"}}, "rate", id="a rate for the grant's own currency"),
        pytest.param({"rate": {"value": 4, "source": "NBP", "date": "2011-09-12"}}, "rate.value", id="a number for a rate"),
        pytest.param(
            {"amount": {"amount": "9999999999999.99", "currency": "EUR"}, "rate": {"value": "1000", "source": "NBP", "date": "2011-09-12"}},
            "amount",
            id="too many digits when converted",
        ),
        pytest.param(
            {"amount": {"amount": "0.01", "currency": "EUR"}, "rate": {"value": "0.1", "source": "NBP", "date": "2011-09-12"}},
            "amount",
            id="nothing when converted",
        ),
        pytest.param({"source": "/accounting/erp"}, "source", id="a source of one's own"),
    ],
)
async def test_an_expenditure_that_cannot_be_used_names_the_field(
    client: AsyncClient, written: Count, grant: str, given: dict[str, Any], field: str
) -> None:
    before = await written()

    answer = await client.post("/v1/expenditures", json=EXPENDITURE | {"grant_id": grant} | given)

    assert (problem(answer), fields(answer)) == ((422, "invalid-input"), [field])
    assert await written() == before


@pytest.mark.parametrize("path", ["commitments", "expenditures"])
@pytest.mark.parametrize("query", ["event_id=1", "grant_id=MRPO-8.2", "limit=0", "limit=201", "cursor=beginning"])
async def test_a_filter_that_cannot_be_used_is_named(client: AsyncClient, path: str, query: str) -> None:
    answer = await client.get(f"/v1/{path}?{query}")

    assert (problem(answer), fields(answer)) == ((422, "invalid-input"), [query.split("=", maxsplit=1)[0]])


async def test_a_code_names_one_grant(client: AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/v1/grants", json=GRANT | {"code": " G "}) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {problem(answer)[1] for answer in answers if answer.status_code == 409} == {"grant-code-taken"}


async def test_a_rate_is_registered_once_per_currency_day_and_source(client: AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/v1/rates", json=RATE | {"value": f"4.{number}"}) for number in range(1, 11)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {problem(answer)[1] for answer in answers if answer.status_code == 409} == {"rate-already-registered"}
    assert (await client.post("/v1/rates", json=RATE | {"source": "ECB"})).status_code == 201


async def test_the_same_key_and_body_declare_once(client: AsyncClient, written: Count, grant: str) -> None:
    body, before = EXPENDITURE | {"grant_id": grant}, await written()

    first, second = [await client.post("/v1/expenditures", json=body, headers={"Idempotency-Key": "seed-1"}) for _ in range(2)]

    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert await written() == before + 2  # the expenditure and its message
