"""An accounting system that is not ours: librdkafka instead of our client, headers written by hand instead of by our code.

The one rule: nothing of Klaster is used to make a record, so that what passes here passes from any other system too.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from confluent_kafka import Producer

TOPIC: Final = "klaster.inbound.accounting.v1"
SOURCE: Final = "/accounting/erp"
TYPE: Final = "pl.lifescience.inbound.InvoiceBooked.v1"
DELIVERY_SECONDS: Final = 20.0
LARGEST_RECORD: Final = 1_048_588
"""Bytes; what a broker takes unless told otherwise. Klaster's own limit is far below."""

type Headers = Sequence[tuple[str, bytes | None]]


def an_invoice(grant: dict[str, Any], line: str, amount: str, *, currency: str = "PLN", **fields: Any) -> dict[str, Any]:
    """The body of InvoiceBooked, under a number of its own."""
    given = {
        "invoice_number": f"FV/{secrets.token_hex(4)}/2011",
        "issuer": "Printing house",
        "issued_on": "2011-09-14",
        "grant_code": grant["code"],
        "line_code": line,
        "amount": {"amount": amount, "currency": currency},
    }
    return given | fields


class AccountingSystem:
    def __init__(self, producer: Any) -> None:
        self._producer = producer

    def book(self, invoice: dict[str, Any], *, message_id: str | None = None, source: str = SOURCE, key: str | None = None) -> str:
        """Publishes InvoiceBooked in CloudEvents' binary mode, keyed by the invoice's number; returns the message's id."""
        number = str(invoice["invoice_number"])
        used = message_id or secrets.token_hex(8)
        headers = headers_of(message_id=used, subject=number, source=source)
        self.send(json.dumps(invoice).encode(), headers, key=(key or number).encode())
        return used

    def send(self, value: bytes | None, headers: Headers, *, key: bytes | None) -> None:
        """Any record at all; returns when the broker has it."""
        self._producer.produce(TOPIC, value=value, key=key, headers=list(headers))
        assert self._producer.flush(DELIVERY_SECONDS) == 0


def headers_of(*, message_id: str, subject: str, source: str = SOURCE, message_type: str = TYPE) -> list[tuple[str, bytes | None]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", message_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", message_type.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", datetime.now(UTC).isoformat().encode()),
        ("content-type", b"application/json"),
    ]


@contextmanager
def open_books(servers: str) -> Iterator[AccountingSystem]:
    """Librdkafka partitions by CRC32 unless told otherwise; `murmur2_random` is what Java clients and Klaster do."""
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": "murmur2_random",
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.max.bytes": LARGEST_RECORD,
        }
    )
    try:
        yield AccountingSystem(producer)
    finally:
        producer.flush(DELIVERY_SECONDS)
