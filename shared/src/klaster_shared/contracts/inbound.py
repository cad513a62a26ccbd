"""What other systems say to Klaster. They sign with a source of their own and key their records as they like."""

import datetime as dt
from uuid import UUID

from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import ExchangeRate, Message, MoneyValue
from klaster_shared.contracts.registry import message


@message(topics.INBOUND_ACCOUNTING)
class InvoiceBooked(Message):
    """An accounting system booked an invoice on a line of a grant. `rate` is needed for another currency than the grant's, unless
    one is stored for the day of issue.
    """

    invoice_number: str
    issuer: str
    issuer_nip: str | None = None
    issued_on: dt.date
    grant_code: str
    line_code: str
    event_id: UUID | None = None
    amount: MoneyValue
    rate: ExchangeRate | None = None
