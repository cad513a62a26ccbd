from collections.abc import Callable
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from klaster_shared.errors import Invalid
from klaster_shared.web.pagination import Page, PageOf, cursor_after, last_id


class Item(BaseModel):
    id: UUID


ITEMS = [Item(id=UUID(int=number)) for number in range(1, 8)]
router = APIRouter(prefix="/v1")


@router.get("/items")
async def items(paging: PageOf, q: str = "") -> Page[Item]:
    return paging.page([item for item in ITEMS if paging.after is None or item.id > paging.after][: paging.rows])


@pytest.fixture
def client(connect: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    return connect(router)


async def test_following_next_shows_every_item_once(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get("/v1/items", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == [str(item.id) for item in ITEMS]


async def test_the_link_header_leads_to_the_next_page_with_the_same_filters(client: httpx.AsyncClient) -> None:
    first = await client.get("/v1/items", params={"limit": 5, "q": "a&b"})
    second = await client.get(first.links["next"]["url"])
    assert [item["id"] for item in second.json()["items"]] == [str(item.id) for item in ITEMS[5:]]
    assert second.request.url.params["q"] == "a&b"


async def test_the_last_page_has_no_next(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/items", params={"limit": 7})
    assert (answer.json()["next"], "Link" in answer.headers) == (None, False)


@pytest.mark.parametrize("limit", ["0", "201", "-1", "ten"])
async def test_a_limit_outside_1_to_200_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get("/v1/items", params={"limit": limit})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "limit")


@pytest.mark.parametrize("cursor", ["", "x", "a" * 22, "a" * 64, "AAAAAAAAAAAAAAAAAAAAAA==", "żółw", "\N{BLACK STAR}"])
async def test_a_broken_cursor_is_refused_by_name(client: httpx.AsyncClient, cursor: str) -> None:
    answer = await client.get("/v1/items", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


def test_only_what_was_given_as_a_cursor_is_read_as_one() -> None:
    cursor = cursor_after(UUID(int=5))
    assert last_id(cursor) == UUID(int=5)
    with pytest.raises(Invalid):
        last_id(cursor + "A")
