"""The platform's tables as migrations create them: outbox, inbox, positions, parking, audit, idempotency keys.

The one rule: a function here is history. Once released it is never edited; a change is a new function, called by a new
migration of every service. A test holds what they build against the tables the code uses.
"""

from alembic import op

_TABLES_0001 = """
CREATE TABLE outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1),
    message_id UUID NOT NULL,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    type TEXT NOT NULL,
    headers TEXT NOT NULL,
    payload BYTEA NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    dead BOOLEAN DEFAULT false NOT NULL,
    error TEXT,
    CONSTRAINT pk_outbox PRIMARY KEY (id)
);

CREATE INDEX ix_outbox_dead ON outbox (topic, key) WHERE dead;

COMMENT ON COLUMN outbox.key IS 'the aggregate''s id: partition and order';

COMMENT ON COLUMN outbox.headers IS 'JSON list of [name, value]';

CREATE TABLE inbox (
    consumer TEXT NOT NULL,
    message_id UUID NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_inbox PRIMARY KEY (consumer, message_id)
);

CREATE TABLE consumer_position (
    consumer TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    topic_id TEXT,
    moved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_consumer_position PRIMARY KEY (consumer, topic, partition)
);

COMMENT ON COLUMN consumer_position.topic_id IS 'the broker''s id of the topic these offsets belong to; null: learned at the next assignment';

CREATE TABLE parked_gate (
    consumer TEXT NOT NULL,
    topic TEXT NOT NULL,
    key BYTEA NOT NULL,
    CONSTRAINT pk_parked_gate PRIMARY KEY (consumer, topic, key)
);

COMMENT ON COLUMN parked_gate.key IS 'as gate_key makes it';

CREATE TABLE parked_message (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    consumer TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    log_offset BIGINT NOT NULL,
    logged_at TIMESTAMP WITH TIME ZONE NOT NULL,
    key BYTEA,
    gate BYTEA,
    headers TEXT NOT NULL,
    value BYTEA,
    message_id UUID,
    type TEXT,
    reason TEXT NOT NULL,
    error TEXT,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    parked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_parked_message PRIMARY KEY (id),
    CONSTRAINT uq_parked_message_consumer_topic_partition_log_offset_logged_at UNIQUE (consumer, topic, partition, log_offset, logged_at),
    CONSTRAINT ck_parked_message_state CHECK (state IN ('due', 'waiting', 'held')),
    CONSTRAINT ck_parked_message_next_attempt CHECK ((state = 'due') = (next_attempt_at IS NOT NULL))
);

CREATE INDEX ix_parked_message_due ON parked_message (consumer, next_attempt_at) WHERE state = 'due';

CREATE INDEX ix_parked_message_gate ON parked_message (consumer, topic, gate, id);

COMMENT ON COLUMN parked_message.logged_at IS 'the record''s timestamp in the log';

COMMENT ON COLUMN parked_message.key IS 'the record''s key, byte for byte';

COMMENT ON COLUMN parked_message.gate IS 'the key of its gate; null: parked without one';

COMMENT ON COLUMN parked_message.headers IS 'JSON list of [name, base64 or null], in order, duplicates kept';

COMMENT ON COLUMN parked_message.message_id IS 'the inbox id, if the message could be decoded that far';

CREATE TABLE operator_act (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    consumer TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT,
    CONSTRAINT pk_operator_act PRIMARY KEY (id)
);

CREATE TABLE idempotency_key (
    scope BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    status SMALLINT NOT NULL,
    body BYTEA NOT NULL,
    location TEXT,
    etag TEXT,
    actor TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_idempotency_key PRIMARY KEY (scope)
);

COMMENT ON COLUMN idempotency_key.scope IS 'SHA-256 of actor and key';

COMMENT ON COLUMN idempotency_key.fingerprint IS 'SHA-256 of method, path with query, and body';

-- The outbox is a queue: almost every row ever written is dead, and reads start at its head.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000);
"""

_TABLES_0002 = """
-- The inbox only grows at its end and is cleared from its beginning by age: a block range index is a few pages, whatever its size.
CREATE INDEX ix_inbox_applied_at ON inbox USING brin (applied_at);

-- What is to leave later. It becomes an outbox row, and takes that row's id, when it is due.
CREATE TABLE outbox_scheduled (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    dedupe_key TEXT NOT NULL,
    message_id UUID NOT NULL,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    type TEXT NOT NULL,
    headers TEXT NOT NULL,
    payload BYTEA NOT NULL,
    CONSTRAINT pk_outbox_scheduled PRIMARY KEY (id),
    CONSTRAINT uq_outbox_scheduled_dedupe_key UNIQUE (dedupe_key)
);

CREATE INDEX ix_outbox_scheduled_due_at ON outbox_scheduled (due_at, id);

COMMENT ON COLUMN outbox_scheduled.due_at IS 'when it becomes an outbox row, and what that row shows as recorded';

COMMENT ON COLUMN outbox_scheduled.dedupe_key IS 'what it is for: once, and to be taken back by';

COMMENT ON COLUMN outbox_scheduled.headers IS 'JSON list of [name, value]';

ALTER TABLE operator_act ADD COLUMN message_id UUID;

ALTER TABLE operator_act ADD COLUMN replaced_value BYTEA;

CREATE INDEX ix_operator_act_message ON operator_act (consumer, message_id) WHERE message_id IS NOT NULL;

COMMENT ON COLUMN operator_act.message_id IS 'the inbox id, if the act was about a message that has one';

COMMENT ON COLUMN operator_act.replaced_value IS 'what an edit replaced, byte for byte; it may hold personal fields';
"""
_BACK_0002 = """
DROP INDEX ix_operator_act_message;

ALTER TABLE operator_act DROP COLUMN replaced_value;

ALTER TABLE operator_act DROP COLUMN message_id;

DROP TABLE outbox_scheduled;
DROP INDEX ix_inbox_applied_at;
"""


def create_platform_tables() -> None:
    """Called by the first migration of every service, before its own tables."""
    _run(_TABLES_0001)


def extend_platform_tables_0002() -> None:
    """Called by the second migration of every service: what the guarantees under faults need."""
    _run(_TABLES_0002)


def reduce_platform_tables_0002() -> None:
    """The way back of `extend_platform_tables_0002`."""
    _run(_BACK_0002)


def drop_platform_tables() -> None:
    """The way back of `create_platform_tables`."""
    for table in ("idempotency_key", "operator_act", "parked_message", "parked_gate", "consumer_position", "inbox", "outbox"):
        op.drop_table(table)


def _run(statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)
