"""The outbox: what a transaction has to say to the world, kept until the broker has acknowledged it.

Rows are found by presence, never by a cursor: an id below the highest one seen may still be uncommitted
(docs/architecture/outbox.md). The identity must keep `CACHE 1`: cached ranges would break the order per key.
"""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Integer, LargeBinary, Table, Text, Uuid, false

from klaster_shared.db.metadata import PLATFORM

OUTBOX = Table(
    "outbox",
    PLATFORM,
    Column("id", BigInteger, Identity(always=True, cache=1), primary_key=True),
    Column("message_id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False, comment="the aggregate's id: partition and order"),
    Column("type", Text, nullable=False),
    Column("headers", Text, nullable=False, comment="JSON list of [name, value]"),
    Column("payload", LargeBinary, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("dead", Boolean, nullable=False, server_default=false()),
    Column("error", Text),
)
Index("ix_outbox_dead", OUTBOX.c.topic, OUTBOX.c.key, postgresql_where=OUTBOX.c.dead)
