import httpx
import pytest

from klaster_shared.db.engine import Database

pytestmark = pytest.mark.engines

ROWS = """
INSERT INTO outbox (message_id, topic, key, type, headers, payload, recorded_at, dead, error)
SELECT gen_random_uuid(), 'klaster.events.event.v1', 'k' || n, 'pl.lifescience.events.EventDrafted.v1', '[]', 'secret', now(), n % 5 = 0,
    CASE WHEN n % 5 = 0 THEN 'MessageSizeTooLarge' END
FROM generate_series(1, 12) AS n
"""


@pytest.fixture
async def rows(database: Database, client: httpx.AsyncClient) -> None:
    async with database.connect() as connection:
        await connection.execute(ROWS)


async def test_an_empty_outbox_is_empty(client: httpx.AsyncClient) -> None:
    assert (await client.get("/admin/outbox")).json() == {"pending": 0, "dead": 0, "oldest": None, "items": [], "next": None}


async def test_the_outbox_is_counted_and_listed_without_payloads(client: httpx.AsyncClient, rows: None) -> None:
    answer = await client.get("/admin/outbox")
    shown = answer.json()
    assert (shown["pending"], shown["dead"], len(shown["items"]), shown["next"]) == (10, 2, 12, None)
    assert shown["oldest"] is not None
    assert "secret" not in answer.text


async def test_dead_rows_are_found_with_their_reason(client: httpx.AsyncClient, rows: None) -> None:
    shown = (await client.get("/admin/outbox?dead=true")).json()
    assert [(item["key"], item["error"]) for item in shown["items"]] == [("k5", "MessageSizeTooLarge"), ("k10", "MessageSizeTooLarge")]


async def test_the_outbox_is_read_in_pages(client: httpx.AsyncClient, rows: None) -> None:
    first = (await client.get("/admin/outbox?limit=7")).json()
    second = (await client.get(f"/admin/outbox?limit=7&cursor={first['next']}")).json()
    keys = [item["key"] for item in (*first["items"], *second["items"])]
    assert (keys, second["next"]) == ([f"k{n}" for n in range(1, 13)], None)
