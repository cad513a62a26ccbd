"""What the services' databases hold, read as a stranger with the password reads it: plain SQL on the driver.

The one rule: one database, one snapshot. Everything of a service that is compared with each other was there at one moment, while the
service goes on working.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from klaster_local.verifying.failures import CannotLook

CONNECT_SECONDS: Final = 10.0
STATEMENT_SECONDS: Final = 120.0

type Rows = Sequence[Mapping[str, Any]]
type Tables = Mapping[str, Rows]

_VERSIONED: Final = "SELECT id, version FROM {}"
_WITH_STATUS: Final = "SELECT id, version, status FROM {}"
_PLATFORM: Final = {
    "outbox": "SELECT id, topic, key, type, headers, payload, recorded_at, dead FROM outbox ORDER BY id",
    "outbox_scheduled": "SELECT id, topic, due_at FROM outbox_scheduled",
    "consumer_position": "SELECT consumer, topic, partition, next_offset FROM consumer_position",
    "parked_message": "SELECT id, consumer, topic, partition, log_offset, gate, message_id, reason, state, next_attempt_at FROM parked_message",
    "parked_gate": "SELECT consumer, topic, key FROM parked_gate",
}
_ONCE: Final = {
    "inbox": "SELECT consumer, message_id, applied_at FROM inbox",
    "operator_act": "SELECT at, consumer, action, subject, message_id FROM operator_act",
}
_MOVING: Final[Mapping[str, Mapping[str, str]]] = {
    "partners": {name: _VERSIONED.format(name) for name in ("organisation", "network", "membership")},
    "events": {
        **{name: _WITH_STATUS.format(name) for name in ("event",)},
        "registration": "SELECT id, event_id, number, status, version FROM registration",
        "approval": "SELECT event_id, financing, approval_id, deadline FROM approval",
    },
    "budget": {name: _VERSIONED.format(name) for name in ("grant_agreement", "commitment", "expenditure")},
    "notifications": {
        "delivery": "SELECT id, cause_id, recipient_id, template, channel, address, status, version FROM delivery",
        "contact": "SELECT id, organisation_id, address, roles, recorded_at FROM contact",
        "dispatch": "SELECT delivery_id, due_at, claim FROM dispatch",
    },
}
_SETTLED: Final[Mapping[str, Mapping[str, str]]] = {
    "partners": {"contact": "SELECT id, organisation_id FROM contact"},
    "events": {"seats": "SELECT s.event_id, s.capacity, s.confirmed, s.waiting, e.capacity AS wanted FROM seats s JOIN event e ON e.id = s.event_id"},
    "budget": {
        "budget_line": "SELECT l.id, l.grant_id, g.code AS grant, l.code, l.planned, l.committed, l.declared"
        " FROM budget_line l JOIN grant_agreement g ON g.id = l.grant_id",
        "commitment_line": "SELECT c.commitment_id, c.line_id, l.code, c.reserved, c.consumed, c.released"
        " FROM commitment_line c JOIN budget_line l ON l.id = c.line_id",
        "spent": "SELECT line_id, sum(in_grant_currency) AS amount FROM expenditure GROUP BY line_id",
        "rate": "SELECT id FROM rate",
    },
    "notifications": {"cause": "SELECT id, organisation_id, type, recorded_at FROM cause"},
}


async def read_everything(service: str, url: str) -> Tables:
    """
    Raises:
        CannotLook: the database does not answer, or is not that of this service and release.
    """
    return await _read(service, url, {**_PLATFORM, **_ONCE, **_MOVING[service], **_SETTLED[service]})


async def read_again(service: str, url: str) -> Tables:
    """What has to be looked at after the log as well: whatever says that a message of the log has its row.

    Raises:
        CannotLook: as `read_everything`.
    """
    return await _read(service, url, {**_PLATFORM, **_MOVING[service]})


async def _read(service: str, url: str, queries: Mapping[str, str]) -> Tables:
    try:
        connection = await asyncpg.connect(
            url.replace("postgresql+asyncpg://", "postgresql://", 1), timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS
        )
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return {name: await connection.fetch(query) for name, query in queries.items()}
        finally:
            await connection.close()
    except asyncpg.UndefinedTableError as error:
        raise CannotLook(f"The database of {service} has not all tables of this release ({error}): has it been migrated?") from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotLook(f"The database of {service} cannot be read: {type(error).__name__}.") from error
