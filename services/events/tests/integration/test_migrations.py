"""What every service's migrations must do, and what this one's do with rows that are there already."""

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection

from klaster_events.adapters.tables import metadata
from klaster_shared.db import migrating
from klaster_shared.db.migrating import migrate
from klaster_shared.ids import new_id
from klaster_shared.testing.migrations import MigrationBehaviour

pytestmark = pytest.mark.engines


class TestMigrations(MigrationBehaviour):
    package = "klaster_events"
    metadata = metadata


_EVENT = """
INSERT INTO event VALUES ($1, 'Warsztat', 'Workshop', 'workshop', true, $1, 'Kraków', 'PL', now(), now() + interval '1 hour', 'Europe/Warsaw', 5, $1,
    '[]', $2, NULL, 'office', now(), now(), 3)
"""
_APPROVAL = """
INSERT INTO approval VALUES ($1, $2, $3::jsonb, $4, 'office', now(), 'flow', CASE WHEN $5::boolean THEN now() END)
"""

type Before = tuple[str, str, str | None, bool]
"""Status of the event, financing, refusal, whether the deadline is open."""

BECAME: dict[Before, str] = {
    ("approved", "pending", None, True): "waiting",
    ("cancelled", "pending", None, False): "cancelled",
    ("published", "secured", None, False): "secured",
    ("cancelled", "released", None, False): "secured",
    ("draft", "refused", '{"reason": "overdue"}', False): "overdue",
    ("draft", "refused", '{"reason": "insufficient"}', False): "refused",
    ("submitted", "none", None, False): "refused",
    ("published", "none", None, False): "not_needed",
}


def at_0002(connection: Connection) -> None:
    command.upgrade(migrating._attached("klaster_events", connection), "0002")


async def test_what_became_of_the_approvals_before_is_taken_over(new_database: Callable[[], str]) -> None:
    url = new_database()
    await migrating._with_connection(url, at_0002)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        expected: dict[Any, str] = {}
        for (status, financing, refusal, is_open), outcome in BECAME.items():
            event, approval = new_id(), new_id()
            await connection.execute(_EVENT, event, status)
            await connection.execute(_APPROVAL, event, financing, refusal, approval, is_open)
            expected[approval] = outcome
        never = new_id()
        await connection.execute(_EVENT, never, "draft")
        await connection.execute("INSERT INTO approval (event_id, financing) VALUES ($1, 'none')", never)

        await migrate("klaster_events", url)

        rows = await connection.fetch("SELECT id, outcome, refusal ->> 'reason' AS reason, deadline IS NOT NULL AS waits FROM approval_attempt")
        assert {row["id"]: row["outcome"] for row in rows} == expected
        assert {row["reason"] for row in rows} == {None, "overdue", "insufficient"}
        assert [row["outcome"] for row in rows if row["waits"]] == ["waiting"]
    finally:
        await connection.close()
