"""The accounting system, played by the loader: it books invoices and says so on the inbound topic.

The one rule: nothing of Klaster's own codec is used here. This is what a foreign system has to do, and all it has to do: JSON, the CloudEvents
headers, and the partitioner that Kafka's Java clients use.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from confluent_kafka import KafkaException, Producer

from klaster_local.failures import CommandFailed
from klaster_local.seeding.model import InvoiceSeed

TOPIC: Final = "klaster.inbound.accounting.v1"
TYPE: Final = "pl.lifescience.inbound.InvoiceBooked.v1"
DELIVERY_SECONDS: Final = 30.0

type Record = tuple[str, bytes, list[tuple[str, bytes]]]


def record_of(invoice: InvoiceSeed, *, source: str, grant_code: str, event: str | None, now: datetime) -> Record:
    """Key, value and headers. The id follows from the invoice, so the same invoice booked again is the same message."""
    body: dict[str, Any] = {
        "invoice_number": invoice.number,
        "issuer": invoice.issuer,
        "issued_on": invoice.issued_on.isoformat(),
        "grant_code": grant_code,
        "line_code": invoice.line,
        "event_id": event,
        "amount": {"amount": format(invoice.amount.amount, "f"), "currency": invoice.amount.currency},
    }
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid5(NAMESPACE_URL, f"{source}/{invoice.number}")),
        "ce_source": source,
        "ce_type": TYPE,
        "ce_subject": invoice.number,
        "ce_time": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "content-type": "application/json",
    }
    return invoice.number, json.dumps(body, ensure_ascii=False).encode(), [(name, text.encode()) for name, text in headers.items()]


async def book(servers: str, invoices: Sequence[InvoiceSeed], *, source: str, grant_code: str, events: Mapping[str, str]) -> None:
    """Returns when Kafka has all of them. Raises CommandFailed when it does not take them."""
    now = datetime.now(UTC)
    records = [record_of(each, source=source, grant_code=grant_code, event=events[each.event] if each.event else None, now=now) for each in invoices]
    await asyncio.to_thread(_produce, servers, records)


def _produce(servers: str, records: Sequence[Record]) -> None:
    refused: list[str] = []

    def delivered(error: Any, _: Any) -> None:
        if error is not None:
            refused.append(error.str())

    try:
        # librdkafka's own default partitioner would send a key elsewhere than all other clients do.
        producer = Producer(
            {"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random", "log_level": 2}
        )
        for key, value, headers in records:
            producer.produce(TOPIC, key=key, value=value, headers=headers, on_delivery=delivered)
        undelivered = producer.flush(DELIVERY_SECONDS)
    except KafkaException as error:
        raise CommandFailed(f"Kafka at {servers} does not take the invoices: {error.args[0].str()}") from error
    if undelivered or refused:
        raise CommandFailed(f"Kafka at {servers} has not taken the invoices: {'; '.join(refused) or 'it does not answer'}.")
