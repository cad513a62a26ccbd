from typing import Any

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

SCHEDULED = """
INSERT INTO outbox_scheduled (due_at, dedupe_key, message_id, topic, key, type, headers, payload)
SELECT '2011-09-02T10:00:00Z'::timestamptz + n * interval '1 minute', 'd' || n, gen_random_uuid(), 'klaster.events.approval.v1', 'k' || n,
    'pl.lifescience.events.ApprovalFellDue.v1', '[]', 'secret'
FROM generate_series(1, 3) AS n
"""


@pytest.fixture
async def rows(database: Database, client: httpx.AsyncClient) -> None:
    async with database.connect() as connection:
        await connection.execute(ROWS)


async def test_an_empty_outbox_is_empty(client: httpx.AsyncClient) -> None:
    nothing: dict[str, Any] = {"pending": 0, "dead": 0, "oldest": None, "scheduled": 0, "next_due": None, "items": [], "next": None}
    assert (await client.get("/admin/outbox")).json() == nothing


async def test_what_is_to_leave_later_is_counted_with_the_time_of_the_first(client: httpx.AsyncClient, database: Database) -> None:
    async with database.connect() as connection:
        await connection.execute(SCHEDULED)
    try:
        shown = (await client.get("/admin/outbox")).json()
    finally:
        async with database.connect() as connection:
            await connection.execute("TRUNCATE outbox_scheduled")
    assert (shown["scheduled"], shown["next_due"]) == (3, "2011-09-02T10:01:00Z")


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


async def first_dead(client: httpx.AsyncClient) -> int:
    found: int = (await client.get("/admin/outbox?dead=true")).json()["items"][0]["id"]
    return found


async def test_a_dead_row_is_put_back_with_all_its_attempts_and_that_is_written_down(client: httpx.AsyncClient, rows: None) -> None:
    row = await first_dead(client)
    answer = await client.post(f"/admin/outbox/{row}/requeue", json={"reason": "limit raised"}, headers={"X-Klaster-Actor": "operator"})
    shown = answer.json()
    assert (answer.status_code, shown["id"], shown["dead"], shown["attempts"], shown["error"]) == (200, row, False, 0, None)
    (act,) = (await client.get("/admin/acts")).json()["items"]
    assert (act["action"], act["actor"], act["reason"], act["consumer"]) == ("requeue", "operator", "limit raised", "outbox")
    assert act["message_id"] == shown["message_id"]
    assert f"row {row}" in act["subject"]


async def test_a_row_that_is_on_its_way_is_not_put_back(client: httpx.AsyncClient, rows: None) -> None:
    row = (await client.get("/admin/outbox?dead=false")).json()["items"][0]["id"]
    refused = await client.post(f"/admin/outbox/{row}/requeue")
    missing = await client.post("/admin/outbox/999999999/requeue")
    assert (refused.status_code, refused.json()["type"], missing.status_code) == (409, "/problems/not-dead", 404)
    assert (await client.get("/admin/acts")).json() == {"items": [], "next": None}


async def test_a_row_is_never_dropped(client: httpx.AsyncClient, rows: None) -> None:
    row = await first_dead(client)
    assert (await client.delete(f"/admin/outbox/{row}")).status_code in {404, 405}
    assert (await client.post(f"/admin/outbox/{row}/drop")).status_code == 404


async def test_acts_are_read_in_pages_the_newest_first(client: httpx.AsyncClient, rows: None) -> None:
    for row in [item["id"] for item in (await client.get("/admin/outbox?dead=true")).json()["items"]]:
        await client.post(f"/admin/outbox/{row}/requeue", json={"reason": str(row)})
    first = (await client.get("/admin/acts?limit=1")).json()
    second = (await client.get(f"/admin/acts?limit=1&cursor={first['next']}")).json()
    assert int(first["items"][0]["reason"]) > int(second["items"][0]["reason"])
    assert second["next"] is None
    assert (await client.get("/admin/acts?action=skip")).json()["items"] == []
