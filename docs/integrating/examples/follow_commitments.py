# /// script
# requires-python = ">=3.11"
# dependencies = ["confluent-kafka>=2.14"]
# ///
"""Keeps the open commitments of every event in a table of its own, from Klaster's messages.

    follow_commitments.py DATABASE-FILE [--until-end]

Ids, places in the order and effects are written in one transaction: after a crash, or when a message comes twice,
the table is right all the same.
"""

import json
import os
import sqlite3
import sys
from typing import Any

from confluent_kafka import Consumer, Message

TOPIC = "klaster.budget.commitment.v1"
SERVERS = os.environ.get("KLASTER_KAFKA_SERVERS", "localhost:9092")
GROUP = "example.commitments"  # your own name; the same name in every copy of your program

TABLES = """
    CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS stands (subject TEXT PRIMARY KEY, sequence INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS commitment (id TEXT PRIMARY KEY, event TEXT NOT NULL, status TEXT NOT NULL, open TEXT NOT NULL);
"""
STATUS = {
    "pl.lifescience.budget.CommitmentReserved.v1": "reserved",
    "pl.lifescience.budget.CommitmentRefused.v1": "refused",
    "pl.lifescience.budget.CommitmentConfirmed.v1": "confirmed",
    "pl.lifescience.budget.CommitmentConsumed.v1": "consumed from",
    "pl.lifescience.budget.CommitmentReleased.v1": "released",
}


def take(database: sqlite3.Connection, message: Message) -> None:
    attributes = {name: value.decode() for name, value in message.headers() or []}
    if not database.execute("INSERT OR IGNORE INTO seen VALUES (?)", [attributes["ce_id"]]).rowcount:
        return  # a copy: Klaster sends a message again when it cannot know whether it got through
    require_next(database, attributes)
    status = STATUS.get(attributes["ce_type"])
    if status is None:
        return  # a type that is newer than this program
    body: dict[str, Any] = json.loads(message.value() or b"")  # ignore fields you do not know: they may come any day
    row = [body["commitment_id"], body["event_id"], status, json.dumps(body.get("open", []))]
    database.execute("INSERT OR REPLACE INTO commitment VALUES (?, ?, ?, ?)", row)


def require_next(database: sqlite3.Connection, attributes: dict[str, str]) -> None:
    """Per subject the sequence is 1, 2, 3 … without gaps. A gap means that something was lost on the way to here."""
    subject, sequence = attributes["ce_subject"], int(attributes["ce_sequence"])
    stands = database.execute("SELECT sequence FROM stands WHERE subject = ?", [subject]).fetchone() or (0,)
    if sequence != stands[0] + 1:
        raise RuntimeError(f"{subject}: {sequence} follows {stands[0]}")
    database.execute("INSERT OR REPLACE INTO stands VALUES (?, ?)", [subject, sequence])


def main(file: str, *, until_end: bool) -> None:
    database = sqlite3.connect(file)
    database.executescript(TABLES)
    consumer = Consumer(
        {
            "bootstrap.servers": SERVERS,
            "group.id": GROUP,
            "auto.offset.reset": "earliest",  # the topics keep everything: a new reader starts at the beginning
            "enable.auto.offset.store": False,  # an offset is committed after its effect is stored, never before
            "enable.partition.eof": until_end,
        }
    )
    consumer.subscribe([TOPIC])
    partitions = len(consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions)
    ended: set[int] = set()
    try:
        while not until_end or len(ended) < partitions:
            records = consumer.consume(500, timeout=1.0)
            messages = [record for record in records if record.error() is None]
            ended |= {record.partition() for record in records if is_end(record)}
            with database:  # one transaction for the whole batch
                for message in messages:
                    take(database, message)
            for message in messages:
                consumer.store_offsets(message)
    finally:
        consumer.close()
        database.close()


def is_end(record: Message) -> bool:
    error = record.error()
    if error is not None and error.name() != "_PARTITION_EOF":
        raise RuntimeError(error.str())
    return error is not None


if __name__ == "__main__":
    match sys.argv[1:]:
        case [file]:
            main(file, until_end=False)
        case [file, "--until-end"]:
            main(file, until_end=True)
        case _:
            sys.exit(__doc__)
