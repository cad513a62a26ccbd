"""What other systems say to Klaster. They sign with a source of their own and key their records as they like."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import Field

from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import ExchangeRate, Message, MoneyValue
from klaster_shared.contracts.registry import message

Name = Annotated[str, Field(pattern=r"\S", max_length=200)]
"""Text that says something. Strangers' text becomes part of unique keys, which have no room for more."""


@message(topics.INBOUND_ACCOUNTING)
class InvoiceBooked(Message):
    """An accounting system booked an invoice on a line of a grant. `rate` is needed for another currency than the grant's, unless
    one is stored for the day of issue.
    """

    invoice_number: Name
    issuer: Name
    issuer_nip: Name | None = None
    issued_on: dt.date
    grant_code: Name
    line_code: Name
    event_id: UUID | None = None
    amount: MoneyValue
    rate: ExchangeRate | None = None
