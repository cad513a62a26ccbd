"""A small world in which everything is right, made of plain rows and plain records, and ways to put it into a database and a broker.

The one rule: nothing here runs the product. Tables have the columns of the services' tables and none of their constraints, so that a
test can plant what the product would never let happen.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final
from uuid import UUID, uuid5

import asyncpg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from klaster_local.verifying.expectations import CONSUMERS, TOPICS

SERVICES: Final = ("partners", "events", "budget", "notifications")
PLATFORM_MODULES: Final = ("consuming.inbox", "consuming.positions", "consuming.parking", "consuming.audit", "outbox.table", "outbox.scheduled")
SPACE: Final = UUID("01980000-0000-7000-8000-000000000000")
NOON: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)

type Row = dict[str, Any]


def an_id(name: str) -> str:
    """The same for the same name, so that a test can speak of it."""
    return str(uuid5(SPACE, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message: `name` is the test's word for it, and what its id is made from."""

    name: str
    topic: str
    type: str
    key: str
    sequence: int | None
    body: Mapping[str, Any] = field(default_factory=dict)
    cause: str | None = None
    flow: str
    source: str = "/klaster/test/thing"

    @property
    def id(self) -> str:
        return an_id(self.name)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        service = self.topic.split(".")[0]
        named = {
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": f"pl.lifescience.{service}.{self.type}.v1",
            "ce_sequence": None if self.sequence is None else f"{self.sequence:020}",
            "ce_correlationid": self.flow,
            "ce_causationid": an_id(self.cause) if self.cause else an_id("a request"),
            "ce_recordedtime": NOON.isoformat(),
            "content-type": "application/json",
        }
        return [(name, value.encode()) for name, value in named.items() if value is not None]


@dataclass(slots=True)
class World:
    """`rows`: service → table → rows. `log`: all records, in the order in which they were acknowledged."""

    rows: dict[str, dict[str, list[Row]]]
    log: list[Said]
    mails: list[str]

    def said(self, name: str) -> Said:
        return next(said for said in self.log if said.name == name)

    def unsay(self, *names: str) -> None:
        self.log = [said for said in self.log if said.name not in names]

    def swap(self, one: str, other: str) -> None:
        first, second = self.log.index(self.said(one)), self.log.index(self.said(other))
        self.log[first], self.log[second] = self.log[second], self.log[first]

    def change(self, name: str, **values: Any) -> None:
        self.log = [replace(said, **values) if said.name == name else said for said in self.log]

    def row(self, service: str, table: str, **wanted: Any) -> Row:
        return next(row for row in self.rows[service][table] if all(row[name] == value for name, value in wanted.items()))

    def drop(self, service: str, table: str, **wanted: Any) -> None:
        self.rows[service][table].remove(self.row(service, table, **wanted))

    def forget_delivery(self, name: str) -> None:
        """A delivery as if it had never been queued."""
        self.drop("notifications", "delivery", id=an_id(name))
        self.drop("notifications", "dispatch", delivery_id=an_id(name))
        self.unsay(f"{name} queued", f"{name} sent")
        self.mails.remove(an_id(name))

    def keep_in_outbox(self, service: str, name: str, **values: Any) -> None:
        """Recorded, and not sent."""
        said = self.said(name)
        self.unsay(name)
        headers = json.dumps([(header, value.decode()) for header, value in said.headers])
        row = {"id": 1, "message_id": said.id, "topic": said.topic, "key": said.key, "type": said.type, "headers": headers, "dead": False}
        self.rows[service]["outbox"].append(row | {"payload": _bytea(json.dumps(said.body).encode()), "recorded_at": NOON.isoformat()} | values)


class Stage:
    """Schemas of one database, one for each service, and topics under a prefix of their own."""

    def __init__(self, url: str, servers: str, new_prefix: Callable[[], str]) -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self.servers = servers
        self._new_prefix = new_prefix
        self._admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})
        self._logs: dict[str, str] = {}

    @property
    def databases(self) -> dict[str, str]:
        return {service: f"{self._url}?search_path={service}" for service in SERVICES}

    async def build(self) -> None:
        connection = await asyncpg.connect(self._url)
        for service in SERVICES:
            await connection.execute(f"CREATE SCHEMA {service}")
            for table in _tables(service):
                await connection.execute(_plain(table, service))
        await connection.close()

    async def show(self, world: World) -> str:
        """Rows and records are as the world has them; returns the prefix of the topics. A log that was shown before is not made again."""
        log = repr(world.log)
        prefix = self._logs[log] = self._logs.get(log) or self._write_log(world.log)
        connection = await asyncpg.connect(self._url)
        for service in SERVICES:
            # A DELETE each: a TRUNCATE makes new files, and there are dozens of tables.
            await connection.execute("; ".join(f"DELETE FROM {service}.{table.name}" for table in _tables(service)))  # noqa: S608 - names of ours
            for table, rows in self._rows(world, service, prefix).items():
                statement = f"INSERT INTO {service}.{table} SELECT * FROM json_populate_recordset(NULL::{service}.{table}, $1)"  # noqa: S608 - names of ours
                await connection.execute(statement, json.dumps(rows))
        await connection.close()
        return prefix

    def _rows(self, world: World, service: str, prefix: str) -> dict[str, list[Row]]:
        """Topics with their prefix, and positions at the ends of the log where the world sets none."""
        rows = {table: [_with_prefix(row, prefix) for row in found] for table, found in world.rows[service].items()}
        set_already = {(row["consumer"], row["topic"]) for row in rows.setdefault("consumer_position", [])}
        for consumer in CONSUMERS:
            for topic in consumer.hears if consumer.service == service else ():
                if (consumer.name, prefix + topic) not in set_already:
                    end = sum(said.topic == topic for said in world.log)
                    position = {"consumer": consumer.name, "topic": prefix + topic, "partition": 0, "next_offset": end, "moved_at": NOON.isoformat()}
                    rows["consumer_position"].append(position)
        return rows

    def _write_log(self, log: Sequence[Said]) -> str:
        prefix = self._new_prefix()
        for future in self._admin.create_topics([NewTopic(prefix + topic, 1, 1) for topic in TOPICS]).values():
            future.result(30)
        producer = Producer({"bootstrap.servers": self.servers, "max.in.flight": 1, "log_level": 2})
        for said in log:
            producer.produce(prefix + said.topic, key=said.key, value=json.dumps(said.body).encode(), headers=said.headers)
        if producer.flush(30):
            raise TimeoutError("the log could not be written")
        return prefix


def _with_prefix(row: Row, prefix: str) -> Row:
    topic = {"topic": prefix + row["topic"]} if "topic" in row else {}
    subject = {"subject": prefix + row["subject"]} if "subject" in row else {}
    return row | topic | subject


def _tables(service: str) -> list[Table]:
    for module in PLATFORM_MODULES:
        import_module(f"klaster_shared.{module}")
    platform = import_module("klaster_shared.db.metadata").PLATFORM
    return [*platform.sorted_tables, *import_module(f"klaster_{service}.adapters.tables").metadata.sorted_tables]


def _plain(table: Table, schema: str) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it so
    columns = ", ".join(f'"{column.name}" {column.type.compile(dialect)}' for column in table.columns)
    return f"CREATE TABLE {schema}.{table.name} ({columns})"


def _bytea(content: bytes) -> str:
    return "\\x" + content.hex()


def empty_rows() -> dict[str, dict[str, list[Row]]]:
    return {service: defaultdict(list) for service in SERVICES}


def minutes(number: float) -> str:
    """After noon."""
    return (NOON + timedelta(minutes=number)).isoformat()
