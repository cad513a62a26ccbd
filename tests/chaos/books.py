"""An accounting system that publishes faster than it is asked to wait: invoices and what only looks like one.

The one rule: a line of the ledger is written when the broker has the record, never when it was handed to the client.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from confluent_kafka import Producer

from klaster_shared.testing.accounting import LARGEST_RECORD, TOPIC, headers_of
from klaster_shared.testing.desk import money
from tests.chaos.ledger import Command, Json, Ledger

FLUSH_SECONDS: Final = 60.0
DECLARED: Final = "declared"
PARKED: Final = "parked"

type Headers = Sequence[tuple[str, bytes | None]]


class Books:
    def __init__(self, producer: Any, ledger: Ledger) -> None:
        self._producer = producer
        self._ledger = ledger

    def book(self, invoice: Json, *, key: str, expect: str = DECLARED, **headers: str) -> str:
        """Publishes the invoice, keyed by who sends it; returns the id of its message."""
        message_id = secrets.token_hex(8)
        made = headers_of(message_id=message_id, subject=str(invoice["invoice_number"]), **headers)
        self.send(json.dumps(invoice).encode(), made, key=key.encode(), name=message_id, body=invoice, expect=expect)
        return message_id

    def send(
        self,
        value: bytes | None,
        headers: Headers,
        *,
        key: bytes | None,
        name: str,
        body: Json | None = None,
        expect: str = PARKED,
        topic: str = TOPIC,
        service: str = "accounting",
    ) -> None:
        """Any record. `name` is its key in the ledger."""
        line = Command(service=service, method="PUBLISH", path=topic, key=name, body=body, tries=1, status=202, answer={"expect": expect}, etag=None)

        def delivered(error: Any, _: Any) -> None:
            if error is None:
                self._ledger.write(line)

        self._producer.produce(topic, value=value, key=key, headers=list(headers), on_delivery=delivered)
        self._producer.poll(0)

    def copy(self, record: Any) -> None:
        """The record once more, byte for byte, into the partition it came from. It acknowledges nothing new."""
        while True:
            try:
                self._producer.produce(record.topic(), value=record.value(), key=record.key(), headers=record.headers(), partition=record.partition())
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    async def sent(self) -> None:
        """Until the broker has everything."""
        left = await asyncio.to_thread(self._producer.flush, FLUSH_SECONDS)
        assert left == 0, f"{left} records did not reach the broker"


def an_invoice(grant_code: str, number: str, amount: str = "1.00", *, currency: str = "PLN", **fields: Any) -> Json:
    return {
        "invoice_number": number,
        "issuer": "Printing house",
        "issued_on": "2011-09-14",
        "grant_code": grant_code,
        "line_code": "workshops",
        "amount": money(amount, currency),
        **fields,
    }


@asynccontextmanager
async def open_books(servers: str, ledger: Ledger) -> AsyncIterator[Books]:
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": "murmur2_random",
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.max.bytes": LARGEST_RECORD,
            "log_level": 2,
        }
    )
    books = Books(producer, ledger)
    try:
        yield books
    finally:
        await books.sent()
