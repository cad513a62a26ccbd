"""Whatever is sent, the answer is a problem document that names what is wrong, and nothing is written."""

import asyncio
from typing import Any

import orjson
import pytest
from httpx import AsyncClient, Response

pytestmark = pytest.mark.engines

JSON = {"Content-Type": "application/json"}
ORGANISATION: dict[str, Any] = {"name": "Genopole", "kind": "business_support", "country": "FR"}
CONTACT: dict[str, Any] = {"name": "ZIN member 01", "email": "zin-member-01@example.org", "locale": "pl", "roles": ["event_manager"]}
NETWORK = {"code": "GIN", "name": "Global Innovation Network"}


@pytest.fixture(autouse=True)
async def empty(parts: Any) -> None:
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE organisation, network, outbox, idempotency_key CASCADE")


@pytest.fixture
async def written(parts: Any) -> Any:
    """Counts what is stored and what is to be published."""

    async def count() -> int:
        async with parts.database.connect() as connection:
            return int(await connection.fetchval("SELECT (SELECT count(*) FROM organisation) + (SELECT count(*) FROM outbox)"))

    return count


async def register(client: AsyncClient, **fields: Any) -> Response:
    return await client.post("/v1/organisations", json=ORGANISATION | fields)


def problem(answer: Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, str(answer.json()["type"]).removeprefix("/problems/")


def fields(answer: Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"name=Genopole", id="a form"),
        pytest.param(b'{"name": "Genopole",', id="half of it"),
        pytest.param(b'{"name": "Genopole \xff", "kind": "company", "country": "FR"}', id="invalid UTF-8"),
        pytest.param(b'{"name": "\\ud800", "kind": "company", "country": "FR"}', id="half of a surrogate pair"),
        pytest.param(b'{"name": NaN, "kind": "company", "country": "FR"}', id="a number that is none"),
        pytest.param(b"[" * 100_000, id="very deep"),
    ],
)
async def test_what_is_no_json_is_a_client_error(client: AsyncClient, written: Any, body: bytes) -> None:
    answer = await client.post("/v1/organisations", content=body, headers=JSON)

    assert problem(answer)[0] in {400, 422}
    assert await written() == 0


async def test_a_body_of_10_mb_is_refused_unread(client: AsyncClient, written: Any) -> None:
    answer = await client.post("/v1/organisations", content=orjson.dumps(ORGANISATION | {"name": "x" * 10_000_000}), headers=JSON)

    assert problem(answer) == (413, "body-too-large")
    assert await written() == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        pytest.param({"name": 5}, "name", id="a number for text"),
        pytest.param({"name": None}, "name", id="null for text"),
        pytest.param({"name": ["Genopole"]}, "name", id="a list for text"),
        pytest.param({"name": "   "}, "name", id="blank"),
        pytest.param({"name": "x" * 201}, "name", id="too long"),
        pytest.param({"name": "Geno\x00pole"}, "name", id="NUL"),
        pytest.param({"city": "Év\x00ry"}, "city", id="NUL in an optional field"),
        pytest.param({"kind": "firm"}, "kind", id="unknown kind"),
        pytest.param({"kind": "Company"}, "kind", id="kind in other letters"),
        pytest.param({"helix": "Bio"}, "helix", id="unknown helix"),
        pytest.param({"size": 3}, "size", id="a number for a size"),
        pytest.param({"country": "XX"}, "country", id="unknown country"),
        pytest.param({"country": "FRA"}, "country", id="alpha-3"),
        pytest.param({"identifiers": "8567346215"}, "identifiers", id="text for a list"),
        pytest.param({"identifiers": [{"scheme": "pesel", "value": "1"}]}, "identifiers.0.scheme", id="unknown scheme"),
        pytest.param({"identifiers": [{"scheme": "nip", "value": 8567346215}]}, "identifiers.0.value", id="a number for an identifier"),
        pytest.param({"identifiers": [{"scheme": "nip", "value": "8567346216"}]}, "identifiers.nip", id="NIP with a wrong check digit"),
        pytest.param({"identifiers": [{"scheme": "regon", "value": "192598183"}]}, "identifiers.regon", id="REGON with a wrong check digit"),
        pytest.param({"identifiers": [{"scheme": "vat", "value": "PL8567346216"}]}, "identifiers.vat", id="VAT with a wrong check digit"),
        pytest.param({"identifiers": [{"scheme": "krs", "value": "127206"}]}, "identifiers.krs", id="KRS of six digits"),
        pytest.param({"identifiers": [{"scheme": "krs", "value": "0000127206"}] * 2}, "identifiers", id="one identifier twice"),
        pytest.param({"nmae": "Genopole"}, "nmae", id="unknown field"),
    ],
)
async def test_a_field_that_cannot_be_used_is_named(client: AsyncClient, written: Any, given: dict[str, Any], field: str) -> None:
    answer = await register(client, **given)

    assert problem(answer) == (422, "invalid-input")
    assert fields(answer) == [field]
    assert await written() == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "office"}, "email"),
        ({"email": "office@example.org\r\nBcc: all@example.org"}, "email"),
        ({"locale": "de"}, "locale"),
        ({"roles": "event_manager"}, "roles"),
        ({"roles": [""]}, "roles.0"),
        ({"name": ""}, "name"),
    ],
)
async def test_a_contact_is_checked_alike(client: AsyncClient, given: dict[str, Any], field: str) -> None:
    organisation = (await register(client)).headers["Location"]

    answer = await client.post(f"{organisation}/contacts", json=CONTACT | given)

    assert (problem(answer), fields(answer)) == ((422, "invalid-input"), [field])


@pytest.mark.parametrize(
    "query", ["country=XX", "kind=firm", "helix=Bio", "limit=0", "limit=201", "limit=many", "cursor=beginning", "q=%00", "q=" + "x" * 201]
)
async def test_a_filter_that_cannot_be_used_is_named(client: AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/organisations?{query}")

    assert (problem(answer), fields(answer)) == ((422, "invalid-input"), [query.split("=", maxsplit=1)[0]])


@pytest.mark.parametrize("query", ["as_of=yesterday", "as_of=2011-02-30", "as_of=1304208000", "tier=honorary", "network_id=GIN", "organisation_id=1"])
async def test_a_filter_of_memberships_is_checked_alike(client: AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/memberships?{query}")

    assert (problem(answer), fields(answer)) == ((422, "invalid-input"), [query.split("=", maxsplit=1)[0]])


async def test_a_path_that_is_no_id_is_a_client_error(client: AsyncClient) -> None:
    for path in ("/v1/organisations/GIN", "/v1/networks/%00", "/v1/memberships/1"):
        assert problem(await client.get(path))[0] == 422


async def test_an_identifier_of_another_organisation_is_a_conflict(client: AsyncClient) -> None:
    holder = (await register(client, identifiers=[{"scheme": "nip", "value": "8567346215"}])).json()["id"]

    answer = await register(client, name="Another", identifiers=[{"scheme": "nip", "value": "856-734-62-15"}])

    assert problem(answer) == (409, "identifier-taken")
    assert (answer.json()["scheme"], answer.json()["organisation_id"]) == ("nip", holder)


async def test_a_duplicate_code_is_a_conflict(client: AsyncClient) -> None:
    await client.post("/v1/networks", json=NETWORK)

    answer = await client.post("/v1/networks", json=NETWORK | {"code": " GIN "})

    assert problem(answer) == (409, "code-taken")


async def test_a_duplicate_address_within_an_organisation_is_a_conflict(client: AsyncClient) -> None:
    organisation = (await register(client)).headers["Location"]
    await client.post(f"{organisation}/contacts", json=CONTACT)

    answer = await client.post(f"{organisation}/contacts", json=CONTACT | {"email": "ZIN-member-01@EXAMPLE.org"})

    assert problem(answer) == (409, "email-taken")


async def test_two_organisations_may_have_a_contact_in_common(client: AsyncClient) -> None:
    for name in ("Genopole", "Another"):
        organisation = (await register(client, name=name)).headers["Location"]
        assert (await client.post(f"{organisation}/contacts", json=CONTACT)).status_code == 201


async def test_of_ten_who_register_one_code_at_once_one_wins_and_nine_hear_why(client: AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/v1/networks", json=NETWORK) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {problem(answer)[1] for answer in answers if answer.status_code == 409} == {"code-taken"}


async def test_contacts_added_at_once_are_all_kept(client: AsyncClient) -> None:
    organisation = (await register(client)).headers["Location"]
    bodies = [CONTACT | {"email": f"zin-member-0{number}@example.org"} for number in range(2)]

    answers = await asyncio.gather(*(client.post(f"{organisation}/contacts", json=body) for body in bodies))

    assert [answer.status_code for answer in answers] == [201, 201]
    assert (await client.get(organisation)).headers["ETag"] == '"3"'


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', '"one"'])
async def test_a_stale_or_foreign_if_match_fails_the_precondition(client: AsyncClient, written: Any, tag: str) -> None:
    organisation = (await register(client)).headers["Location"]
    before = await written()

    answer = await client.post(f"{organisation}/contacts", json=CONTACT, headers={"If-Match": tag})

    assert problem(answer)[0] == 412
    assert await written() == before


async def test_the_same_key_and_body_give_the_first_answer_without_a_second_effect(client: AsyncClient, written: Any) -> None:
    first, second = [await client.post("/v1/organisations", json=ORGANISATION, headers={"Idempotency-Key": "seed-1"}) for _ in range(2)]

    assert first.status_code == second.status_code == 201
    assert (second.json(), second.headers["Location"], second.headers["ETag"]) == (first.json(), first.headers["Location"], first.headers["ETag"])
    assert await written() == 2  # one organisation, one message


async def test_the_same_key_with_another_body_is_refused(client: AsyncClient, written: Any) -> None:
    await client.post("/v1/organisations", json=ORGANISATION, headers={"Idempotency-Key": "seed-1"})

    answer = await client.post("/v1/organisations", json=ORGANISATION | {"name": "Another"}, headers={"Idempotency-Key": "seed-1"})

    assert problem(answer)[0] == 422
    assert await written() == 2
