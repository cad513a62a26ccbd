import re
from collections.abc import Callable

import httpx
import pytest

type Connect = Callable[..., httpx.AsyncClient]


async def test_the_docs_page_works_without_the_internet(connect: Connect) -> None:
    client = connect()
    page = (await client.get("/docs")).text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert [address for address in assets if "//" in address] == []
    assert {(await client.get(f"/{address}")).status_code for address in assets} == {200}


async def test_the_service_describes_what_it_says_on_kafka(connect: Connect) -> None:
    document = (await connect().get("/asyncapi.json")).json()
    assert "klaster.partners.organisation.v1" in document["channels"]


async def test_a_messages_schema_is_found_by_name_and_version(connect: Connect) -> None:
    answer = await connect().get("/schemas/partners.OrganisationRegistered/1")
    assert answer.headers["Content-Type"] == "application/schema+json"
    assert answer.json()["$id"] == "urn:klaster:schema:partners.OrganisationRegistered:1"


@pytest.mark.parametrize(
    ("path", "status"), [("partners.Nothing/1", 404), ("partners.OrganisationRegistered/2", 404), ("partners.OrganisationRegistered/one", 422)]
)
async def test_an_unknown_schema_is_a_problem(connect: Connect, path: str, status: int) -> None:
    answer = await connect().get(f"/schemas/{path}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


async def test_the_openapi_document_has_the_operations_and_their_problems(connect: Connect) -> None:
    document = (await connect().get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/readyz"]["get"]["responses"].keys() >= {"200", "503", "default"}
    assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status", "detail"]
