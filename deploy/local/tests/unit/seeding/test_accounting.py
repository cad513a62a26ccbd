import json
from datetime import UTC, datetime

from klaster_local.seeding.accounting import TYPE, record_of
from klaster_local.seeding.model import InvoiceSeed
from klaster_shared.contracts.envelope import decode
from klaster_shared.contracts.inbound import InvoiceBooked
from klaster_shared.contracts.registry import parse, type_of_model

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
INVOICE = InvoiceSeed.model_validate(
    {"number": "FA/1", "issuer": "A house", "issued_on": "2011-11-30", "line": "INTERNSHIPS", "amount": {"amount": "9800.00", "currency": "EUR"}}
)


def test_what_a_foreign_system_sends_is_what_klaster_reads() -> None:
    key, value, headers = record_of(INVOICE, source="/accounting/erp", grant_code="MRPO-8.2", event=None, now=NOW)
    envelope = decode(value, headers)
    message = parse(envelope)
    assert key == envelope.subject == "FA/1"
    assert isinstance(message, InvoiceBooked)
    assert (message.invoice_number, message.grant_code, str(message.amount.amount)) == ("FA/1", "MRPO-8.2", "9800.00")


def test_the_same_invoice_is_the_same_message_whenever_it_is_booked() -> None:
    first = dict(record_of(INVOICE, source="/accounting/erp", grant_code="G", event=None, now=NOW)[2])
    later = dict(record_of(INVOICE, source="/accounting/erp", grant_code="G", event=None, now=NOW.replace(month=6))[2])
    assert first["ce_id"] == later["ce_id"]
    assert dict(record_of(INVOICE, source="/accounting/other", grant_code="G", event=None, now=NOW)[2])["ce_id"] != first["ce_id"]


def test_the_type_is_the_one_of_the_contract() -> None:
    assert type_of_model(InvoiceBooked).ce_type == TYPE


def test_the_body_is_plain_json_with_money_as_text() -> None:
    body = json.loads(record_of(INVOICE, source="/accounting/erp", grant_code="G", event="an-event", now=NOW)[1])
    assert (body["amount"], body["issued_on"], body["event_id"]) == ({"amount": "9800.00", "currency": "EUR"}, "2011-11-30", "an-event")
