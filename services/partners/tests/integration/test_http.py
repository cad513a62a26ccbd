from typing import Any

import pytest
from httpx import AsyncClient, Response

pytestmark = pytest.mark.engines

GENOPOLE = {"name": "Genopole", "kind": "business_support", "country": "FR"}
JCI = {
    "name": "Jagiellońskie Centrum Innowacji",
    "short_name": "JCI",
    "kind": "business_support",
    "country": "PL",
    "city": "Kraków",
    "helix": "Biz",
    "size": "medium",
    "identifiers": [{"scheme": "krs", "value": "0000127206"}, {"scheme": "vat", "value": "PL 856-734-62-15"}],
}
CONTACT = {"name": "ZIN member 01", "email": " ZIN-member-01@Example.org ", "locale": "pl", "roles": ["event_manager"]}


@pytest.fixture(autouse=True)
async def empty(parts: Any) -> None:
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE organisation, network, outbox, idempotency_key CASCADE")


async def made(client: AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    resource: dict[str, Any] = answer.json()
    return resource


@pytest.fixture
async def genopole(client: AsyncClient) -> str:
    return str((await made(client, "/v1/organisations", GENOPOLE))["id"])


@pytest.fixture
async def gin(client: AsyncClient) -> str:
    return str((await made(client, "/v1/networks", {"code": "GIN", "name": "Global Innovation Network"}))["id"])


@pytest.fixture
async def membership(client: AsyncClient, genopole: str, gin: str) -> str:
    """Its path."""
    body = {"organisation_id": genopole, "network_id": gin, "applied_on": "2011-01-10"}
    return f"/v1/memberships/{(await made(client, '/v1/memberships', body))['id']}"


async def decide(client: AsyncClient, path: str, tier: str, effective_on: str, **headers: str) -> Response:
    return await client.post(path, json={"tier": tier, "effective_on": effective_on, "decision": "3/2011"}, headers=headers)


def slug(answer: Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).removeprefix("/problems/")


async def test_a_registered_organisation_is_answered_as_it_is_read_again(client: AsyncClient) -> None:
    answer = await client.post("/v1/organisations", json=JCI, headers={"X-Klaster-Actor": "office"})

    read = await client.get(answer.headers["Location"])
    assert (answer.status_code, answer.headers["ETag"], read.headers["ETag"]) == (201, '"1"', '"1"')
    assert read.json() == answer.json()
    assert answer.json() == JCI | {
        "id": answer.json()["id"],
        "identifiers": [{"scheme": "krs", "value": "0000127206"}, {"scheme": "vat", "value": "PL8567346215"}],
        "registered_by": "office",
        "registered_at": "2011-04-04T12:00:00Z",
    }


async def test_organisations_are_listed_in_pages(client: AsyncClient) -> None:
    ids = [(await made(client, "/v1/organisations", GENOPOLE | {"name": f"Member {number}"}))["id"] for number in range(3)]

    first = await client.get("/v1/organisations", params={"limit": 2, "q": "mémber"})
    second = await client.get(first.headers["Link"].split(">")[0].removeprefix("<"))

    assert [item["id"] for item in first.json()["items"] + second.json()["items"]] == ids
    assert second.json()["next"] is None


async def test_a_contact_belongs_to_its_organisation_and_moves_its_version(client: AsyncClient, genopole: str) -> None:
    answer = await client.post(f"/v1/organisations/{genopole}/contacts", json=CONTACT, headers={"If-Match": '"1"'})

    read = await client.get(answer.headers["Location"])
    organisation = await client.get(f"/v1/organisations/{genopole}")
    listed = await client.get(f"/v1/organisations/{genopole}/contacts")
    assert (answer.status_code, answer.json()["email"]) == (201, "zin-member-01@example.org")
    assert answer.headers["ETag"] == read.headers["ETag"] == organisation.headers["ETag"] == '"2"'
    assert listed.json() == {"items": [read.json()], "next": None}


async def test_contacts_are_listed_in_pages(client: AsyncClient, genopole: str) -> None:
    path = f"/v1/organisations/{genopole}/contacts"
    ids = [(await made(client, path, CONTACT | {"email": f"zin-member-0{number}@example.org"}))["id"] for number in range(3)]

    first = (await client.get(path, params={"limit": 2})).json()
    second = (await client.get(path, params={"limit": 2, "cursor": first["next"]})).json()

    assert [item["id"] for item in first["items"] + second["items"]] == ids
    assert second["next"] is None


async def test_networks_are_read_by_id_and_listed(client: AsyncClient, gin: str) -> None:
    read = await client.get(f"/v1/networks/{gin}")

    assert (read.json()["code"], read.headers["ETag"]) == ("GIN", '"1"')
    assert (await client.get("/v1/networks")).json() == {"items": [read.json()], "next": None}


async def test_a_membership_rises_from_application_to_full(client: AsyncClient, membership: str) -> None:
    applied = (await client.get(membership)).json()
    admitted = await decide(client, f"{membership}/admit", "associate", "2011-02-01")
    upgraded = await decide(client, f"{membership}/upgrade", "full", "2011-03-01", **{"If-Match": '"2"', "X-Klaster-Actor": "office"})

    assert (applied["tier"], applied["standing"], applied["history"]) == (None, "applied", [])
    assert (admitted.status_code, admitted.json()["tier"], admitted.json()["standing"]) == (200, "associate", "active")
    assert (upgraded.json()["tier"], upgraded.headers["ETag"]) == ("full", '"3"')
    assert [(change["tier"], change["decided_by"]) for change in upgraded.json()["history"]] == [("associate", "local"), ("full", "office")]
    assert (await client.get(membership)).json() == upgraded.json()


async def test_memberships_are_listed_as_they_were_on_a_day(client: AsyncClient, membership: str) -> None:
    await decide(client, f"{membership}/admit", "associate", "2011-02-01")
    await decide(client, f"{membership}/upgrade", "full", "2011-03-01")

    async def on(day: str) -> list[tuple[str | None, str]]:
        items = (await client.get("/v1/memberships", params={"as_of": day})).json()["items"]
        return [(item["tier"], item["standing"]) for item in items]

    assert await on("2011-01-09") == []
    assert await on("2011-01-10") == [(None, "applied")]
    assert await on("2011-02-28") == [("associate", "active")]
    assert await on("2011-03-01") == [("full", "active")]


async def test_without_a_day_the_list_is_of_today_in_warsaw(client: AsyncClient, membership: str) -> None:
    await decide(client, f"{membership}/admit", "associate", "2011-04-04")
    await decide(client, f"{membership}/upgrade", "full", "2011-04-05")

    listed = await client.get("/v1/memberships", params={"tier": "associate"})

    assert [item["tier"] for item in listed.json()["items"]] == ["associate"]


@pytest.mark.parametrize(
    ("steps", "problem", "state"),
    [
        ([("upgrade", "full", "2011-02-01")], "not-admitted", {"standing": "applied"}),
        ([("admit", "associate", "2011-01-09")], "effective-too-early", {"not_before": "2011-01-10"}),
        ([("admit", "full", "2011-02-01"), ("admit", "full", "2011-02-01")], "already-admitted", {"standing": "active", "tier": "full"}),
        ([("admit", "full", "2011-02-01"), ("upgrade", "associate", "2011-03-01")], "not-an-upgrade", {"tier": "full"}),
        ([("admit", "observer", "2011-02-01"), ("upgrade", "full", "2011-01-31")], "effective-too-early", {"not_before": "2011-02-01"}),
    ],
)
async def test_a_refused_step_names_the_state_that_refused(
    client: AsyncClient, membership: str, steps: list[tuple[str, str, str]], problem: str, state: dict[str, str]
) -> None:
    answers = [await decide(client, f"{membership}/{verb}", tier, effective_on) for verb, tier, effective_on in steps]

    answer = answers[-1]
    assert (answer.status_code, slug(answer)) == (409, problem)
    assert state.items() <= answer.json().items()


async def test_a_second_membership_of_the_same_sides_is_refused(client: AsyncClient, membership: str, genopole: str, gin: str) -> None:
    answer = await client.post("/v1/memberships", json={"organisation_id": genopole, "network_id": gin, "applied_on": "2012-01-01"})

    assert (answer.status_code, slug(answer)) == (409, "already-applied")
    assert membership.endswith(answer.json()["membership_id"])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/organisations/{}",
        "/v1/organisations/{}/contacts",
        "/v1/networks/{}",
        "/v1/memberships/{}",
    ],
)
async def test_an_unknown_id_is_not_found(client: AsyncClient, path: str) -> None:
    answer = await client.get(path.format("01890000-0000-7000-8000-000000000000"))

    assert (answer.status_code, slug(answer)) == (404, "not-found")


async def test_an_unknown_contact_of_a_known_organisation_is_not_found(client: AsyncClient, genopole: str) -> None:
    answer = await client.get(f"/v1/organisations/{genopole}/contacts/{genopole}")

    assert (answer.status_code, slug(answer)) == (404, "not-found")


async def test_a_membership_needs_an_organisation_and_a_network_that_exist(client: AsyncClient, genopole: str, gin: str) -> None:
    for sides in ({"organisation_id": gin, "network_id": gin}, {"organisation_id": genopole, "network_id": genopole}):
        answer = await client.post("/v1/memberships", json=sides | {"applied_on": "2011-01-10"})

        assert (answer.status_code, slug(answer)) == (404, "not-found")


async def test_every_refusal_has_its_page(client: AsyncClient) -> None:
    for name in ("identifier-taken", "email-taken", "code-taken", "already-applied", "already-admitted", "not-admitted", "not-an-upgrade"):
        assert (await client.get(f"/problems/{name}")).status_code == 200
