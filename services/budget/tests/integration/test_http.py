"""What the office does with the budget over HTTP, from the grant to the last złoty."""

from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient, Response

from klaster_budget.application.reserve_commitment import reserve_commitment
from klaster_budget.bootstrap import Parts
from klaster_budget.domain.ids import EventId, GrantId
from klaster_budget.testing import a_request, costs
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin

pytestmark = pytest.mark.engines


def pln(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "PLN"}


GRANT: dict[str, Any] = {
    "code": "MRPO-8.2",
    "name": "Building the capacity to cooperate",
    "funder": "Małopolski Regionalny Program Operacyjny",
    "total": pln("1087398.00"),
    "starts_on": "2011-04-01",
    "ends_on": "2012-12-31",
    "lines": [
        {"code": "WORKSHOPS", "name": "Workshops", "category": "external", "planned": pln("1000.00")},
        {"code": "TRAVEL", "name": "Study visits", "category": "travel", "planned": pln("500.5")},
    ],
}
NOTHING = pln("0.00")


@pytest.fixture(autouse=True)
async def empty(parts: Parts) -> None:
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE grant_agreement, commitment, rate, outbox, idempotency_key CASCADE")


async def made(client: AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    resource: dict[str, Any] = answer.json()
    return resource


@pytest.fixture
async def grant(client: AsyncClient) -> str:
    return str((await made(client, "/v1/grants", GRANT))["id"])


def invoice(grant: str, amount: dict[str, str], **fields: Any) -> dict[str, Any]:
    document = {"number": "FV/1/2011", "issued_on": "2011-09-12", "issuer": "Hotel", "issuer_nip": "123-456-32-18"}
    return {"grant_id": grant, "line_code": "WORKSHOPS", "document": document, "amount": amount} | fields


def numbered(number: str) -> dict[str, str]:
    return {"number": number, "issued_on": "2011-09-12", "issuer": "Hotel"}


async def line(client: AsyncClient, grant: str, code: str = "WORKSHOPS") -> dict[str, Any]:
    lines = (await client.get(f"/v1/grants/{grant}")).json()["lines"]
    return next(line for line in lines if line["code"] == code)


async def reserve(parts: Parts, grant: str, event: EventId, **amounts: str) -> None:
    async with parts.transactions.begin(Origin(correlation_id="c", causation_id="c")) as work:
        await reserve_commitment(a_request(*costs(**amounts), grant=GrantId(UUID(grant)), event=event), work)


def slug(answer: Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).removeprefix("/problems/")


async def test_a_grant_is_answered_as_it_is_read_again(client: AsyncClient) -> None:
    answer = await client.post("/v1/grants", json=GRANT, headers={"X-Klaster-Actor": "office"})

    read = await client.get(answer.headers["Location"])
    assert (answer.status_code, answer.headers["ETag"], read.headers["ETag"]) == (201, '"2"', '"2"')
    assert read.json() == answer.json()
    untouched = {"committed": NOTHING, "declared": NOTHING, "certified": NOTHING, "paid": NOTHING}
    assert answer.json() == GRANT | {
        "id": answer.json()["id"],
        "lines": [
            GRANT["lines"][0] | untouched | {"available": pln("1000.00")},
            GRANT["lines"][1] | untouched | {"planned": pln("500.50"), "available": pln("500.50")},
        ],
        "totals": untouched | {"planned": pln("1500.50"), "available": pln("1500.50")},
        "registered_by": "office",
        "registered_at": "2011-09-01T12:00:00Z",
    }


async def test_a_grant_in_a_currency_without_minor_units_is_kept_in_it(client: AsyncClient) -> None:
    yen = {"amount": "1000", "currency": "JPY"}
    body = GRANT | {"total": yen, "lines": [{"code": "A", "name": "A", "category": "travel", "planned": yen}]}

    answer = await made(client, "/v1/grants", body)

    assert (await client.get(f"/v1/grants/{answer['id']}")).json()["totals"]["available"] == yen


async def test_a_grant_with_the_most_lines_is_registered(client: AsyncClient) -> None:
    lines = [{"code": f"L{number}", "name": "Line", "category": "travel", "planned": pln("1.00")} for number in range(500)]

    answer = await made(client, "/v1/grants", GRANT | {"lines": lines})

    assert [line["code"] for line in (await client.get(f"/v1/grants/{answer['id']}")).json()["lines"]] == [line["code"] for line in lines]


async def test_grants_are_listed_in_pages(client: AsyncClient) -> None:
    ids = [(await made(client, "/v1/grants", GRANT | {"code": f"G{number}"}))["id"] for number in range(3)]

    first = await client.get("/v1/grants", params={"limit": 2})
    second = await client.get(first.headers["Link"].split(">")[0].removeprefix("<"))

    assert [grant["id"] for grant in first.json()["items"] + second.json()["items"]] == ids
    assert second.json()["next"] is None


async def test_an_expenditure_without_an_event_takes_from_the_line(client: AsyncClient, grant: str) -> None:
    answer = await client.post("/v1/expenditures", json=invoice(grant, pln("400.00")))

    read = await client.get(answer.headers["Location"])
    assert (answer.status_code, answer.headers["ETag"], read.json()) == (201, '"1"', answer.json())
    assert answer.json() == invoice(grant, pln("400.00")) | {
        "id": answer.json()["id"],
        "document": {"number": "FV/1/2011", "issued_on": "2011-09-12", "issuer": "Hotel", "issuer_nip": "1234563218"},
        "event_id": None,
        "rate": None,
        "amount_in_grant_currency": pln("400.00"),
        "consumed_from_commitment": NOTHING,
        "source": "http",
        "declared_by": "local",
        "declared_at": "2011-09-01T12:00:00Z",
    }
    assert ((await line(client, grant))["declared"], (await line(client, grant))["available"]) == (pln("400.00"), pln("600.00"))


async def test_an_expenditure_consumes_what_its_event_has_reserved(client: AsyncClient, parts: Parts, grant: str) -> None:
    event = EventId(new_id())
    await reserve(parts, grant, event, WORKSHOPS="300")

    expenditure = await made(client, "/v1/expenditures", invoice(grant, pln("400.00"), event_id=str(event)))

    (commitment,) = (await client.get("/v1/commitments", params={"event_id": str(event)})).json()["items"]
    assert expenditure["consumed_from_commitment"] == pln("300.00")
    assert commitment["status"] == "consumed"
    assert commitment["lines"] == [
        {"line_code": "WORKSHOPS", "reserved": pln("300.00"), "consumed": pln("300.00"), "released": NOTHING, "open": NOTHING}
    ]
    after = await line(client, grant)
    assert (after["committed"], after["declared"], after["available"]) == (NOTHING, pln("400.00"), pln("600.00"))


async def test_the_etag_of_a_grant_stays_while_its_balances_move(client: AsyncClient, parts: Parts, grant: str) -> None:
    await reserve(parts, grant, EventId(new_id()), WORKSHOPS="300")

    assert (await client.get(f"/v1/grants/{grant}")).headers["ETag"] == '"2"'


async def test_beyond_what_is_open_and_available_an_expenditure_is_refused(client: AsyncClient, parts: Parts, grant: str) -> None:
    event = EventId(new_id())
    await reserve(parts, grant, event, WORKSHOPS="300")
    await reserve(parts, grant, EventId(new_id()), WORKSHOPS="600")

    answer = await client.post("/v1/expenditures", json=invoice(grant, pln("400.01"), event_id=str(event)))

    assert (answer.status_code, slug(answer)) == (409, "line-exceeded")
    assert (answer.json()["line_code"], answer.json()["short_by"]) == ("WORKSHOPS", pln("0.01"))
    assert (await line(client, grant))["declared"] == NOTHING


@pytest.mark.parametrize("amount", ["400.00", "1.00"])
async def test_the_same_document_on_the_same_line_is_refused(client: AsyncClient, grant: str, amount: str) -> None:
    first = await made(client, "/v1/expenditures", invoice(grant, pln("400.00")))

    answer = await client.post("/v1/expenditures", json=invoice(grant, pln(amount)))

    assert (answer.status_code, slug(answer)) == (409, "document-already-declared")
    assert (answer.json()["expenditure_id"], answer.json()["same_content"]) == (first["id"], amount == "400.00")


async def test_the_same_document_on_another_line_is_declared(client: AsyncClient, grant: str) -> None:
    await made(client, "/v1/expenditures", invoice(grant, pln("400.00")))

    await made(client, "/v1/expenditures", invoice(grant, pln("100.00"), line_code="TRAVEL"))


async def test_another_currency_needs_a_rate_of_the_very_day(client: AsyncClient, grant: str) -> None:
    rate = {"currency": "EUR", "value": "4.3567", "source": "NBP", "date": "2011-09-13"}
    await made(client, "/v1/rates", rate)
    body = invoice(grant, {"amount": "10.00", "currency": "EUR"})

    missing = await client.post("/v1/expenditures", json=body)
    await made(client, "/v1/rates", rate | {"date": "2011-09-12"})
    answer = await made(client, "/v1/expenditures", body)

    assert (missing.status_code, slug(missing)) == (409, "rate-missing")
    assert answer["rate"] == {"value": "4.3567", "source": "NBP", "date": "2011-09-12"}
    assert answer["amount_in_grant_currency"] == pln("43.57")


async def test_of_several_stored_rates_the_first_registered_is_applied(client: AsyncClient, grant: str) -> None:
    for source, value in (("NBP", "4.4"), ("ECB", "4.3")):
        await made(client, "/v1/rates", {"currency": "EUR", "value": value, "source": source, "date": "2011-09-12"})

    answer = await made(client, "/v1/expenditures", invoice(grant, {"amount": "10.00", "currency": "EUR"}))

    assert answer["rate"]["source"] == "NBP"


async def test_a_given_rate_is_kept_with_the_expenditure(client: AsyncClient, grant: str) -> None:
    rate = {"value": "5.91230000", "source": "contract", "date": "2011-09-01"}

    answer = await made(client, "/v1/expenditures", invoice(grant, {"amount": "10.00", "currency": "LVL"}, rate=rate))

    assert (answer["rate"], answer["amount_in_grant_currency"]) == (rate, pln("59.12"))
    assert (await client.get(f"/v1/expenditures/{answer['id']}")).json() == answer


async def test_a_document_from_outside_the_period_is_refused(client: AsyncClient, grant: str) -> None:
    answer = await client.post("/v1/expenditures", json=invoice(grant, pln("1.00"), document=numbered("1") | {"issued_on": "2013-01-01"}))

    assert (answer.status_code, slug(answer)) == (409, "outside-grant-period")


async def test_expenditures_and_commitments_are_listed_by_event_and_by_grant(client: AsyncClient, parts: Parts, grant: str) -> None:
    event, other = EventId(new_id()), EventId(new_id())
    for number, each in enumerate((event, other)):
        await reserve(parts, grant, each, WORKSHOPS="10")
        await made(client, "/v1/expenditures", invoice(grant, pln("1.00"), event_id=str(each), document=numbered(str(number))))

    for path in ("/v1/commitments", "/v1/expenditures"):
        assert len((await client.get(path, params={"grant_id": grant})).json()["items"]) == 2
        (one,) = (await client.get(path, params={"grant_id": grant, "event_id": str(event)})).json()["items"]
        assert one["event_id"] == str(event)
        assert (await client.get(path, params={"grant_id": str(new_id())})).json()["items"] == []
        assert (await client.get(f"{path}/{one['id']}")).json() == one


async def test_a_refused_commitment_shows_why(client: AsyncClient, parts: Parts, grant: str) -> None:
    await reserve(parts, grant, EventId(new_id()), TRAVEL="501", WORKSHOPS="1000.5")

    (commitment,) = (await client.get("/v1/commitments", params={"grant_id": grant})).json()["items"]

    assert (commitment["status"], commitment["lines"]) == ("refused", [])
    assert commitment["refusal"] == {
        "reason": "insufficient",
        "line_code": "TRAVEL",
        "short_by": pln("0.50"),
        "shortfalls": [{"line_code": "TRAVEL", "short_by": pln("0.50")}, {"line_code": "WORKSHOPS", "short_by": pln("0.50")}],
    }


async def test_a_rate_is_kept_as_it_was_given(client: AsyncClient) -> None:
    rate = {"currency": "LVL", "value": "5.91230000", "source": "NBP", "date": "2011-09-12"}

    answer = await client.post("/v1/rates", json=rate)

    read = await client.get(answer.headers["Location"])
    assert (answer.headers["ETag"], read.headers["ETag"], read.json()) == ('"1"', '"1"', answer.json())
    assert answer.json().items() >= rate.items()
    assert (await client.get("/v1/rates")).json()["items"] == [answer.json()]


@pytest.mark.parametrize("path", ["grants", "commitments", "rates", "expenditures"])
async def test_an_unknown_id_is_not_found(client: AsyncClient, path: str) -> None:
    answer = await client.get(f"/v1/{path}/{new_id()}")

    assert (answer.status_code, slug(answer)) == (404, "not-found")


async def test_an_expenditure_of_an_unknown_grant_or_line_is_not_found(client: AsyncClient, grant: str) -> None:
    unknown_grant = await client.post("/v1/expenditures", json=invoice(str(new_id()), pln("1.00")))
    unknown_line = await client.post("/v1/expenditures", json=invoice(grant, pln("1.00"), line_code="BOATS"))

    assert (unknown_grant.status_code, slug(unknown_grant)) == (404, "unknown-grant")
    assert (unknown_line.status_code, slug(unknown_line)) == (404, "unknown-line")
