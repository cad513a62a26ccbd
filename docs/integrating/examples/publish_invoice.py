# /// script
# requires-python = ">=3.11"
# dependencies = ["confluent-kafka>=2.14"]
# ///
"""Tells Klaster that an invoice was booked, as an accounting system does.

publish_invoice.py GRANT-CODE LINE-CODE AMOUNT CURRENCY INVOICE-NUMBER ISSUER ISSUED-ON
"""

import json
import os
import sys
import uuid
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message, Producer

TOPIC = "klaster.inbound.accounting.v1"
SERVERS = os.environ.get("KLASTER_KAFKA_SERVERS", "localhost:9092")


def main(grant: str, line: str, amount: str, currency: str, number: str, issuer: str, issued_on: str) -> None:
    body = {
        "invoice_number": number,
        "issuer": issuer,
        "issued_on": issued_on,
        "grant_code": grant,
        "line_code": line,
        "amount": {"amount": amount, "currency": currency},  # text, never a JSON number
    }
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),  # keep it: whoever sends again after a doubt sends the same id
        "ce_source": "/accounting/erp",  # must be on Klaster's list
        "ce_type": "pl.lifescience.inbound.InvoiceBooked.v1",
        "ce_subject": number,
        "ce_time": datetime.now(UTC).isoformat(),
        "content-type": "application/json",
    }
    producer = Producer(
        {
            "bootstrap.servers": SERVERS,
            "partitioner": "murmur2_random",  # librdkafka's default is CRC32: other partitions than every Java client
            "enable.idempotence": True,
        }
    )
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    producer.produce(
        TOPIC,
        key=number.encode(),  # what must stay in order among itself has one key
        value=json.dumps(body).encode(),
        headers={name: value.encode() for name, value in headers.items()},
        on_delivery=delivered,
    )
    if producer.flush(30) or failures:
        sys.exit(f"not published: {failures or 'no broker answered in time'}")
    print(headers["ce_id"])


if __name__ == "__main__":
    match sys.argv[1:]:
        case [_, _, _, _, _, _, _] as arguments:
            main(*arguments)
        case _:
            sys.exit(__doc__)
